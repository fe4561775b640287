package catalog

import (
	"encoding/json"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// json turns a YAML node into JSON, keeping the order of keys and the text of
// numbers.
func (r *reader) json(n ast.Node, path string) json.RawMessage {
	return r.appendJSON(nil, n, path)
}

func (r *reader) appendJSON(dst []byte, n ast.Node, path string) []byte {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return r.appendObject(dst, n, path)
	case *ast.SequenceNode:
		dst = append(dst, '[')
		for i, item := range n.Values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = r.appendJSON(dst, item, path+"["+strconv.Itoa(i)+"]")
		}
		return append(dst, ']')
	case *ast.StringNode:
		return AppendString(dst, []byte(n.Value))
	case *ast.LiteralNode:
		return AppendString(dst, []byte(n.Value.Value))
	case *ast.BoolNode:
		return strconv.AppendBool(dst, n.Value)
	case *ast.NullNode:
		return append(dst, "null"...)
	case *ast.IntegerNode:
		return r.appendNumber(dst, n.Token.Value, n, path)
	case *ast.FloatNode:
		return r.appendNumber(dst, n.Token.Value, n, path)
	default:
		r.add(place(n), path, "cannot be written in JSON")
		return append(dst, "null"...)
	}
}

func (r *reader) appendObject(dst []byte, n ast.Node, path string) []byte {
	dst = append(dst, '{')
	for i, e := range r.entries(n, path) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, []byte(e.key)), ':')
		if e.value == nil {
			dst = append(dst, "null"...)
			continue
		}
		dst = r.appendJSON(dst, e.value, e.path)
	}
	return append(dst, '}')
}

func (r *reader) appendNumber(dst []byte, text string, n ast.Node, path string) []byte {
	if _, ok := canonicalNumber(text); !ok {
		r.add(place(n), path, "must be a number as JSON writes it")
		return append(dst, '0')
	}
	return append(dst, text...)
}
