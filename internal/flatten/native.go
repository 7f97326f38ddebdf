package flatten

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/internal/sof/schema"
)

// Native implements PlanViews with the native engine. It returns the compiled views of a plan,
// which must not change while the process runs.
type Native func(plan string) ([]*sof.View, error)

// Tables implements PlanViews. The warehouse uses it too.
func (n Native) Tables(plan string) ([]Table, error) {
	views, err := n(plan)
	if err != nil {
		return nil, err
	}
	var tables []Table
	for _, v := range views {
		tables = append(tables, TableOf(v))
	}
	return tables, nil
}

// Engine implements PlanViews.
func (n Native) Engine(plan, resource string) (func(Room) Evaluator, error) {
	all, err := n(plan)
	if err != nil {
		return nil, err
	}
	var views []*sof.View
	for _, v := range all {
		if v.Resource == resource {
			views = append(views, v)
		}
	}
	e, err := native.New(views)
	if err != nil {
		return nil, err
	}
	return func(r Room) Evaluator { return nativeEvaluator{e.Evaluator(r.limits())} }, nil
}

// ViewSet implements PlanViews. The fingerprint depends on the meaning of the views, not on their
// spelling.
func (n Native) ViewSet(plan string) (string, error) {
	views, err := n(plan)
	if err != nil {
		return "", err
	}
	tables, err := n.Tables(plan)
	if err != nil {
		return "", err
	}
	return viewSet(views, tables), nil
}

func viewSet(views []*sof.View, tables []Table) string {
	for i := range tables {
		// Descriptions do not affect the rows.
		tables[i].Columns = append([]sof.Column(nil), tables[i].Columns...)
		for c := range tables[i].Columns {
			tables[i].Columns[c].Description = ""
		}
	}
	var plans []string
	for _, v := range views {
		var s strings.Builder
		describe(&s, reflect.ValueOf(v.Where))
		describe(&s, reflect.ValueOf(v.Rows))
		plans = append(plans, s.String())
	}
	return Fingerprint(tables, plans...)
}

type nativeEvaluator struct{ *native.Evaluator }

// Eval implements Evaluator.
func (e nativeEvaluator) Eval(
	ctx context.Context, line []byte, emit func(view int, row [][]byte) error,
) (Resource, error) {
	r, err := e.Evaluator.Eval(ctx, line, emit)
	return Resource(r), err
}

// describe writes a compiled program as text: the names of its nodes and their fields. FHIR types
// are written by name, because they refer to each other.
func describe(s *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		switch t, ok := v.Interface().(*schema.Type); {
		case v.IsNil():
			s.WriteString("nil")
		case ok:
			s.WriteString(t.Path)
		default:
			describe(s, v.Elem())
		}
	case reflect.Slice:
		s.WriteByte('[')
		for i := range v.Len() {
			describe(s, v.Index(i))
			s.WriteByte(' ')
		}
		s.WriteByte(']')
	case reflect.Struct:
		s.WriteString(v.Type().Name())
		s.WriteByte('{')
		for i := range v.NumField() {
			describe(s, v.Field(i))
			s.WriteByte(' ')
		}
		s.WriteByte('}')
	default:
		fmt.Fprintf(s, "%q", fmt.Sprint(v))
	}
}
