package query

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// text formats a value like the database. The caller handles NULL.
func text(v any, typ string) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return float(v, 64)
	case float32:
		return float(float64(v), 32)
	case time.Time:
		return instant(v, typ)
	case []byte:
		return bytesText(v, typ)
	case *big.Int:
		return v.String()
	case json.Marshaler: // a map with a fixed order
		var b strings.Builder
		appendJSON(&b, v, typ)
		return b.String()
	case fmt.Stringer: // decimals and UUIDs of drivers
		return v.String()
	}
	switch reflect.ValueOf(v).Kind() {
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		var b strings.Builder
		appendJSON(&b, v, typ)
		return b.String()
	default:
		return fmt.Sprint(v)
	}
}

// float returns the shortest text that reads back as f, without an exponent for common magnitudes.
func float(f float64, bits int) string {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(f, 'e', -1, bits)
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}

// instant formats a time by its column type, because drivers use one Go type for dates, times of
// day and instants.
func instant(t time.Time, typ string) string {
	switch {
	case typ == "DATE":
		return t.Format("2006-01-02")
	case typ == "TIME":
		return t.Format("15:04:05.999999999")
	case typ == "TIMETZ", typ == "TIME WITH TIME ZONE":
		return t.Format("15:04:05.999999999Z07:00")
	case strings.HasSuffix(typ, "TZ"), strings.HasSuffix(typ, "WITH TIME ZONE"),
		typ == "DATETIMEOFFSET":
		return t.UTC().Format("2006-01-02 15:04:05.999999999Z07:00")
	}
	return t.Format("2006-01-02 15:04:05.999999999")
}

func bytesText(b []byte, typ string) string {
	if typ == "UUID" || typ == "UNIQUEIDENTIFIER" {
		if id, err := uuid.FromBytes(b); err == nil {
			return id.String()
		}
	}
	return `\x` + hex.EncodeToString(b)
}

// elementType returns the type of a list's elements, if the name tells it.
func elementType(typ string) string {
	inner, ok := strings.CutSuffix(typ, "[]")
	if !ok {
		return ""
	}
	return inner
}

// appendJSON writes a value as JSON. Numbers keep all digits; values outside JSON (NaN) become
// text.
func appendJSON(b *strings.Builder, v any, typ string) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
		return
	case string:
		quote(b, v)
		return
	case bool:
		b.WriteString(strconv.FormatBool(v))
		return
	case float64, float32, *big.Int:
		number(b, text(v, typ))
		return
	case time.Time, []byte:
		quote(b, text(v, typ))
		return
	case json.Marshaler:
		data, err := json.Marshal(v)
		if err != nil {
			data = []byte("null")
		}
		b.Write(data)
		return
	case fmt.Stringer:
		if _, ok := v.(decimal); ok {
			number(b, v.String())
			return
		}
		quote(b, v.String())
		return
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		fmt.Fprint(b, v)
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range r.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			appendJSON(b, r.Index(i).Interface(), elementType(typ))
		}
		b.WriteByte(']')
	case reflect.Map:
		keys := r.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int {
			return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
		})
		object(b, len(keys), func(i int) (string, any) {
			return text(keys[i].Interface(), ""), r.MapIndex(keys[i]).Interface()
		})
	case reflect.Struct:
		// For intervals and unions the driver defines JSON names.
		if data, err := json.Marshal(v); err == nil {
			b.Write(data)
			return
		}
		quote(b, fmt.Sprint(v))
	default:
		quote(b, fmt.Sprint(v))
	}
}

// decimal is an exact number of a driver, such as DuckDB's.
type decimal interface {
	fmt.Stringer
	Float64() float64
}

func object(b *strings.Builder, n int, at func(int) (string, any)) {
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		k, v := at(i)
		quote(b, k)
		b.WriteByte(':')
		appendJSON(b, v, "")
	}
	b.WriteByte('}')
}

// number writes text as a JSON number if it is one, else quoted.
func number(b *strings.Builder, s string) {
	if json.Valid([]byte(s)) {
		b.WriteString(s)
		return
	}
	quote(b, s)
}

// quote writes a JSON string. It does not escape <, > and &, because the output is not HTML.
func quote(b *strings.Builder, s string) {
	e := json.NewEncoder(trimmed{b})
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // encoding a string into a Builder cannot fail
}

// trimmed removes the line feed that an Encoder appends.
type trimmed struct{ b *strings.Builder }

func (t trimmed) Write(p []byte) (int, error) {
	t.b.Write([]byte(strings.TrimSuffix(string(p), "\n")))
	return len(p), nil
}
