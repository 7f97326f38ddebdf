package infra_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// pure are the functions that depend only on their arguments.
var pure = map[string]func(args []any) (any, error){
	"equals":  func(a []any) (any, error) { return reflect.DeepEqual(a[0], a[1]), nil },
	"not":     func(a []any) (any, error) { return !isTrue(a[0]), nil },
	"empty":   func(a []any) (any, error) { return isEmpty(a[0]), nil },
	"null":    func([]any) (any, error) { return nil, nil },
	"true":    func([]any) (any, error) { return true, nil },
	"false":   func([]any) (any, error) { return false, nil },
	"string":  func(a []any) (any, error) { return text(a[0]), nil },
	"toLower": func(a []any) (any, error) { return strings.ToLower(text(a[0])), nil },
	"startsWith": func(a []any) (any, error) {
		return strings.HasPrefix(text(a[0]), text(a[1])), nil
	},
	"replace": func(a []any) (any, error) {
		return strings.ReplaceAll(text(a[0]), text(a[1]), text(a[2])), nil
	},
	"format":      format,
	"concat":      concat,
	"createArray": func(a []any) (any, error) { return slices.Clone(a), nil },
	"fail": func(a []any) (any, error) {
		return nil, fmt.Errorf("the template fails: %s", text(a[0]))
	},
	"guid": func(a []any) (any, error) { return hash(a)[:32], nil },
	// As short as Azure's.
	"uniqueString": func(a []any) (any, error) { return hash(a)[:13], nil },
	"uriComponent": func(a []any) (any, error) { return url.QueryEscape(text(a[0])), nil },
	"createObject": createObject,
	"flatten":      flatten,
	"union":        union,
	"length":       length,
	"greater": func(a []any) (any, error) {
		x, isNumber := a[0].(float64)
		y, alsoNumber := a[1].(float64)
		if !isNumber || !alsoNumber {
			return nil, fmt.Errorf("greater: %v and %v are not numbers", a[0], a[1])
		}
		return x > y, nil
	},
	"take": take,
	"split": func(a []any) (any, error) {
		var out []any
		for _, part := range strings.Split(text(a[0]), text(a[1])) {
			out = append(out, part)
		}
		return out, nil
	},
	"join": func(a []any) (any, error) {
		var parts []string
		for _, part := range list(a[0]) {
			parts = append(parts, text(part))
		}
		return strings.Join(parts, text(a[1])), nil
	},
	"json": func(a []any) (any, error) {
		var out any
		err := json.Unmarshal([]byte(text(a[0])), &out)
		return out, err
	},
	"cidrSubnet": func(a []any) (any, error) {
		p, err := netip.ParsePrefix(text(a[0]))
		if err != nil {
			return nil, err
		}
		b := p.Addr().As4()
		b[2] += byte(a[2].(float64))
		return fmt.Sprintf("%s/%v", netip.AddrFrom4(b), a[1]), nil
	},
}

var placeholder = regexp.MustCompile(`\{(\d+)\}`)

func format(args []any) (any, error) {
	return placeholder.ReplaceAllStringFunc(text(args[0]), func(m string) string {
		var i int
		if _, err := fmt.Sscanf(m, "{%d}", &i); err != nil || i+1 >= len(args) {
			return m
		}
		return text(args[i+1])
	}), nil
}

func concat(args []any) (any, error) {
	if _, isList := args[0].([]any); !isList {
		var b strings.Builder
		for _, a := range args {
			b.WriteString(text(a))
		}
		return b.String(), nil
	}
	out := []any{}
	for _, a := range args {
		out = append(out, list(a)...)
	}
	return out, nil
}

func createObject(args []any) (any, error) {
	out := map[string]any{}
	for i := 0; i+1 < len(args); i += 2 {
		out[text(args[i])] = args[i+1]
	}
	return out, nil
}

func flatten(args []any) (any, error) {
	out := []any{}
	for _, a := range list(args[0]) {
		out = append(out, list(a)...)
	}
	return out, nil
}

func union(args []any) (any, error) {
	if _, isMap := args[0].(map[string]any); isMap {
		out := map[string]any{}
		for _, a := range args {
			for k, v := range a.(map[string]any) {
				out[k] = v
			}
		}
		return out, nil
	}
	out := []any{}
	for _, a := range args {
		for _, v := range list(a) {
			if !slices.ContainsFunc(out, func(o any) bool { return reflect.DeepEqual(o, v) }) {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

func length(args []any) (any, error) {
	if s, ok := args[0].(string); ok {
		return float64(len(s)), nil
	}
	return float64(len(list(args[0]))), nil
}

func take(args []any) (any, error) {
	n := int(args[1].(float64))
	if s, ok := args[0].(string); ok {
		return s[:min(n, len(s))], nil
	}
	l := list(args[0])
	return l[:min(n, len(l))], nil
}

func hash(args []any) string {
	h := sha256.New()
	for _, a := range args {
		fmt.Fprintf(h, "%s\x00", text(a))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func isTrue(v any) bool {
	b, ok := v.(bool)
	return ok && b
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
