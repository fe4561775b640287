package processing

import "strings"

// A Difference is a place where a committed copy differs from what is enforced.
type Difference struct {
	Line int      `json:"line"` // of the copy, from 1: where Says begins, or before which Now belongs
	Says []string `json:"says"` // lines of the copy that are not so; none: something lacks
	Now  []string `json:"now"`  // what is to stand there instead; none: nothing
}

// maxCompared bounds the product of the lines that are compared one by one: beyond, all
// between the first and the last that differ is one difference.
const maxCompared = 4_000_000

// Compare says where a copy differs from what was made anew; none: they are the same
// text. Lines may end with a carriage return, and the last with nothing, as files do that
// went through other hands.
func Compare(copied, now []byte) []Difference {
	a, b := lines(copied), lines(now)
	first := 0
	for first < len(a) && first < len(b) && a[first] == b[first] {
		first++
	}
	a, b = a[first:], b[first:]
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	list := []Difference{}
	if len(a)+len(b) == 0 {
		return list
	}
	if len(a)*len(b) > maxCompared {
		return append(list, Difference{Line: first + 1, Says: a, Now: b})
	}
	return between(a, b, first+1)
}

func lines(b []byte) []string {
	s := strings.TrimSuffix(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// between compares by a longest common subsequence; from is the number of a's first line.
func between(a, b []string, from int) []Difference {
	list, common := []Difference{}, longest(a, b)
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		d := Difference{Line: from + i, Says: []string{}, Now: []string{}}
		for (i < len(a) || j < len(b)) && (i == len(a) || j == len(b) || a[i] != b[j]) {
			if j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1] {
				d.Says = append(d.Says, a[i])
				i++
			} else {
				d.Now = append(d.Now, b[j])
				j++
			}
		}
		list = append(list, d)
	}
	return list
}

// longest gives, for each i and j, the length of the longest common subsequence of
// a[i:] and b[j:].
func longest(a, b []string) [][]int32 {
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}
