// Package standin lends the cloud's handler a warehouse for tests: commits go
// over loopback HTTP to another process, which does them on any pipeline.Warehouse
// it likes. The handler has it only when built with -tags standin.
package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// Scheme is what the setting Warehouse begins with: standin:http://127.0.0.1:PORT.
const Scheme = "standin"

// Client is the warehouse on the handler's side.
type Client struct {
	base string
	http *http.Client
}

// Engine returns the engine of the scheme.
func Engine() warehouse.Engine {
	return warehouse.PortOnly(func(address string, _ warehouse.OpenOptions) (pipeline.Warehouse, error) {
		return NewClient(address)
	})
}

// NewClient talks to a Server on this machine; any other address is refused.
func NewClient(base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" || !net.ParseIP(u.Hostname()).IsLoopback() {
		return nil, fault.Permanentf("warehouse standin: the address must be http://127.0.0.1:PORT")
	}
	return &Client{base: base, http: &http.Client{Timeout: time.Minute}}, nil
}

// call is one call of the port, and its answer.
type call struct {
	Batch  *pipeline.Batch        `json:"batch,omitempty"`
	Schema string                 `json:"schema,omitempty"`
	Export string                 `json:"export,omitempty"`
	Ledger []pipeline.LedgerEntry `json:"ledger,omitempty"`
	Error  string                 `json:"error,omitempty"`
	Class  fault.Class            `json:"class,omitempty"`
}

// Commit implements pipeline.Warehouse.
func (c *Client) Commit(ctx context.Context, b pipeline.Batch) error {
	_, err := c.do(ctx, call{Batch: &b})
	return err
}

// Ledger implements pipeline.Warehouse.
func (c *Client) Ledger(ctx context.Context, schema, export string) ([]pipeline.LedgerEntry, error) {
	answer, err := c.do(ctx, call{Schema: schema, Export: export})
	return answer.Ledger, err
}

func (c *Client) do(ctx context.Context, in call) (out call, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return out, fmt.Errorf("warehouse standin: %w", err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("warehouse standin: status %d: %w", answer.StatusCode, err)
	}
	if out.Error != "" {
		return out, &fault.Error{Class: out.Class, Err: errors.New(out.Error)}
	}
	return out, nil
}

// Server answers Clients with a warehouse of this process.
func Server(w pipeline.Warehouse) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var in, out call
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 64<<20))
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		switch {
		case err != nil:
		case in.Batch != nil:
			err = w.Commit(r.Context(), *in.Batch)
		default:
			out.Ledger, err = w.Ledger(r.Context(), in.Schema, in.Export)
		}
		if err != nil {
			out.Error, out.Class = err.Error(), fault.Of(err)
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(out) // the client sees a broken answer
	})
}
