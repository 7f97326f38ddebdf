package synthetic

import (
	"strconv"
	"strings"
)

// text is a JSON value as text; the empty text is no value.
type text string

// member is a name with its value, as text; the empty member is left out.
type member string

func field(name string, value text) member {
	if value == "" {
		return ""
	}
	return member(`"` + name + `":` + string(value))
}

// word is a member with a string.
func word(name, value string) member { return field(name, quote(value)) }

// quote makes a string of what stands between the quotes: escapes are the
// caller's, so that a test of a loader can have them as it likes. No string is
// empty in FHIR.
func quote(s string) text {
	if s == "" {
		return ""
	}
	return text(`"` + s + `"`)
}

func number(n int) text { return text(strconv.Itoa(n)) }

func truth(b bool) text { return text(strconv.FormatBool(b)) }

// object leaves out what has no value; nothing is left of an empty object.
func object(members ...member) text {
	if s := join(members); s != "" {
		return text("{" + s + "}")
	}
	return ""
}

// list leaves out what has no value; nothing is left of an empty list.
func list(values ...text) text {
	if s := join(values); s != "" {
		return text("[" + s + "]")
	}
	return ""
}

func join[T ~string](parts []T) string {
	size := len(parts)
	for _, p := range parts {
		size += len(p)
	}
	var b strings.Builder
	b.Grow(size)
	for _, p := range parts {
		if p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(p))
	}
	return b.String()
}

// each makes a list of what f gives for every item.
func each[T any](of []T, f func(T) text) text {
	values := make([]text, len(of))
	for i, item := range of {
		values[i] = f(item)
	}
	return list(values...)
}

// when gives the value if it holds, else none.
func when[T ~string](holds bool, value T) T {
	if !holds {
		return ""
	}
	return value
}

// turn gives the alternatives one after the other.
func turn[T any](n int, of ...T) T { return of[n%len(of)] }

// members is several members where one is asked for.
func members(of ...member) member { return member(join(of)) }
