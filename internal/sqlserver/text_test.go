package sqlserver

import (
	"testing"
	"time"
)

func TestValuesOfTheDriverAreCells(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		typ  string
		v    any
		want string
	}{
		{"BIT", true, "true"},
		{"INT", int64(-5), "-5"},
		{"DECIMAL", []byte("1.500"), "1.500"},
		{"NVARCHAR", "é ", "é "},
		{"NVARCHAR", "", ""},
		{"DATE", midnight, "2020-01-02"},
		{"DATETIME2", midnight, "2020-01-02T00:00:00.000"},
	} {
		got, err := text(c.typ, c.v)
		if err != nil || got == nil || string(got) != c.want {
			t.Errorf("%s: %q, %v, want %q", c.typ, got, err, c.want)
		}
	}
	if got, err := text("INT", nil); got != nil || err != nil {
		t.Errorf("NULL gives %q, %v", got, err)
	}
	if _, err := text("FLOAT", 1.5); err == nil {
		t.Error("a float passes: no column of a view is one")
	}
}
