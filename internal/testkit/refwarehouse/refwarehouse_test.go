package refwarehouse_test

import (
	"testing"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

type store struct{ *refwarehouse.Store }

func (s store) Open(_ *testing.T, lake pipeline.Lake, views warehouse.Views) pipeline.Warehouse {
	return s.Warehouse(lake, views)
}

func (s store) Content(t *testing.T, schema string) refwarehouse.Content {
	t.Helper()
	c, err := s.Warehouse(nil, nil).Content(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWarehouse(t *testing.T) {
	t.Parallel()
	pipelinetest.TestWarehouse(t, func(*testing.T) pipelinetest.Store {
		return store{refwarehouse.NewStore()}
	})
}

func TestConcluder(t *testing.T) {
	t.Parallel()
	pipelinetest.TestConcluder(t, func(*testing.T) pipelinetest.Store {
		return store{refwarehouse.NewStore()}
	})
}
