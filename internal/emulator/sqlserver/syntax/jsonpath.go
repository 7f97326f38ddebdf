package syntax

import (
	"encoding/json"
	"strings"

	"fhirsynapse/internal/emulator/sqlserver"
)

// FirstItem is the first item of an array in a path.
const FirstItem = "[0]"

// JSONPath reads the paths of members and of first items: $.a."b c"[0].
func JSONPath(s string) ([]string, error) {
	bad := &sqlserver.Error{
		Number: 13607, Message: "JSON path is not properly formatted: " + s, Severity: 16,
	}
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return nil, bad
	}
	var out []string
	for rest != "" {
		if after, first := strings.CutPrefix(rest, "[0]"); first {
			out, rest = append(out, FirstItem), after
			continue
		}
		if rest, ok = strings.CutPrefix(rest, "."); !ok || rest == "" {
			return nil, bad
		}
		if rest[0] == '"' {
			i := 1
			for i < len(rest) && rest[i] != '"' {
				if rest[i] == '\\' {
					i++
				}
				i++
			}
			if i >= len(rest) {
				return nil, bad
			}
			var name string
			if err := json.Unmarshal([]byte(rest[:i+1]), &name); err != nil {
				return nil, bad
			}
			out, rest = append(out, name), rest[i+1:]
			continue
		}
		i := 0
		for i < len(rest) && (plain(rest[i]) || i > 0 && rest[i] >= '0' && rest[i] <= '9') {
			i++
		}
		if i == 0 || rest[0] == '_' {
			// names that are not plain words must be quoted
			return nil, bad
		}
		out, rest = append(out, rest[:i]), rest[i:]
	}
	return out, nil
}

func plain(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
