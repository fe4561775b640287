package release

import (
	"errors"
	"fmt"
	"strings"
)

// Tree returns the hierarchy of a category: parent maps a value to the one above it, and
// that to the one above; a value that nothing is above, and one that maps to [All], stands
// below All. Where branches differ in height, the values of a short one stay as they are
// until the others have come down to them. It refuses a circle, and a name that is empty
// or, but as a parent, All.
func Tree(parent map[string]string) (Hierarchy, error) {
	t := tree{paths: map[string][]string{}}
	for child, above := range parent {
		if child == "" || child == All || above == "" {
			return Hierarchy{}, errors.New("a name in a tree is empty or stands for all")
		}
		for _, name := range []string{child, above} {
			if name == All {
				continue
			}
			path, err := pathTo(parent, name)
			if err != nil {
				return Hierarchy{}, err
			}
			t.paths[name], t.depth = path, max(t.depth, len(path))
		}
	}
	if t.depth == 0 {
		return Hierarchy{}, errors.New("a tree needs a value")
	}
	return newHierarchy(t), nil
}

// tree holds the path to each value from below the root. The longest has depth names.
type tree struct {
	paths map[string][]string
	depth int
}

func pathTo(parent map[string]string, name string) ([]string, error) {
	var path []string
	for name != "" && name != All {
		if len(path) > len(parent) {
			return nil, errors.New("a tree goes in a circle")
		}
		path = append([]string{strings.Clone(name)}, path...)
		name = parent[name]
	}
	return path, nil
}

func (t tree) levels() []string {
	names := []string{"as it is"}
	for i := 1; i < t.depth; i++ {
		names = append(names, fmt.Sprintf("at level %d of its tree", i))
	}
	return names
}

func (t tree) clean(v string) (string, bool) {
	_, ok := t.paths[v]
	return v, ok
}

func (t tree) at(v string, level int) string {
	path := t.paths[v]
	return path[min(len(path), t.depth-level)-1]
}

func (tree) place(string) float64 { return 0 }
func (tree) ordered() bool        { return false }
