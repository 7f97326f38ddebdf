package tables

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlc-dev/teesql/ast"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// session is the state of a connection. The database's mutex guards it.
type session struct {
	definitions
	closed   bool
	snapshot snapshot
}

// definitions creates and changes tables.
type definitions struct {
	queries
	undo []undo
	// clustering are the columns of CLUSTER BY in the text of the batch.
	clustering []string
}

// Batch implements sqlserver.Session.
func (s *session) Batch(
	ctx context.Context,
	text string,
	parameters []any,
) (sqlserver.Result, error) {
	r, err := s.batch(ctx, text, parameters)
	var e *sqlserver.Error
	if s.db.o.Dialect.Jsonb && errors.As(err, &e) {
		// On PostgreSQL all but a few errors share one number.
		return r, &sqlserver.Error{Number: 33557097, Message: e.Message, Severity: 16}
	}
	return r, err
}

func (s *session) batch(
	ctx context.Context,
	text string,
	parameters []any,
) (sqlserver.Result, error) {
	if m := creatingStatistics.FindStringSubmatch(text); m != nil { // the parser may not end on it
		return s.createStatistics(m)
	}
	if m := droppingStatistics.FindStringSubmatch(text); m != nil {
		return s.db.dropStatistics(m)
	}
	if m := maintaining.FindStringSubmatch(text); m != nil {
		return s.maintain(m)
	}
	text, clustering := withoutClusters(text)
	script, err := syntax.Parse(ctx, text)
	if err != nil || script == nil {
		return sqlserver.Result{}, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.clustering = clustering
	s.vars = map[string]eval.Variable{"@@trancount": {Type: syntax.Type{Base: "int"}}}
	for i, p := range parameters {
		v, ok := p.(string)
		if !ok {
			return sqlserver.Result{}, fail(40517, "the emulator takes texts as parameters")
		}
		s.vars[fmt.Sprintf("@p%d", i+1)] = eval.Variable{
			Type: syntax.Type{Base: "nvarchar", Max: true}, Value: v,
		}
	}
	var last sqlserver.Result
	for _, b := range script.Batches {
		for _, st := range b.Statements {
			r, err := s.statement(ctx, st)
			if err != nil {
				// As under XACT_ABORT, and as in Synapse: roll everything back.
				s.end(false)
				return sqlserver.Result{}, err
			}
			if !s.open {
				s.end(true) // autocommit
			}
			if r.Columns != nil || last.Columns == nil {
				last = r
			}
		}
	}
	return last, nil
}

func (s *session) statement(ctx context.Context, st ast.Statement) (sqlserver.Result, error) {
	var none sqlserver.Result
	s.set("@@trancount", map[bool]int64{true: 1}[s.open])
	switch st := st.(type) {
	case *ast.SetTransactionIsolationLevelStatement:
		if st.Level != "ReadCommitted" {
			return none, unknown(st)
		}
		return none, nil
	case *ast.PredicateSetStatement:
		if st.Options != string(ast.SetOptionsXactAbort) || !st.IsOn {
			return none, unknown(st)
		}
		return none, nil
	case *ast.BeginTransactionStatement:
		if s.open {
			return none, fail(40517, "the stand-in does not nest transactions")
		}
		s.open, s.snapshot.began = true, s.db.commits
		s.db.running[s] = true
		return none, nil
	case *ast.CommitTransactionStatement, *ast.RollbackTransactionStatement:
		_, commit := st.(*ast.CommitTransactionStatement)
		return none, finish(s, commit)
	case *ast.IfStatement:
		is, err := s.condition(st.Predicate, nil)
		if err != nil {
			return none, err
		}
		if yes, err := is(nil); err != nil || !yes {
			return none, err
		}
		return s.statement(ctx, st.ThenStatement)
	case *ast.DeclareVariableStatement:
		for _, d := range st.Declarations {
			typ, err := syntax.OfType(d.DataType)
			if err != nil || d.Value != nil {
				return none, unknown(d)
			}
			s.vars[strings.ToLower(d.VariableName.Value)] = eval.Variable{Type: typ}
		}
		return none, nil
	case *ast.ExecuteStatement:
		return none, s.execute(ctx, st.ExecuteSpecification)
	case *ast.SelectStatement:
		if err := s.settled(ctx); err != nil {
			return none, err
		}
		return s.selected(st)
	case *ast.InsertStatement:
		return s.insert(st.InsertSpecification)
	case *ast.DeleteStatement:
		return s.delete(ctx, st.DeleteSpecification)
	case *ast.UpdateStatement:
		return s.update(ctx, st.UpdateSpecification)
	case *ast.CopyStatement:
		return s.copyInto(ctx, st)
	}
	if s.open && s.db.o.Autocommit {
		return none, fail(111212, "Operation cannot be performed within a transaction.")
	}
	if err := s.settled(ctx); err != nil {
		return none, err
	}
	if c, ok := st.(*ast.CreateTableStatement); ok && c.SelectStatement != nil {
		s.db.definer = s
		return s.createAs(c)
	}
	err := s.define(ctx, st)
	s.db.definer = s
	return none, err
}

// settled waits for the end of other sessions' definitions.
func (s *session) settled(ctx context.Context) error {
	for s.db.definer != nil && s.db.definer != s {
		if err := s.db.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// finish runs COMMIT or ROLLBACK.
func finish(s *session, commit bool) error {
	if !s.open {
		return fail(3902, "The request has no corresponding BEGIN TRANSACTION.")
	}
	if commit {
		if err := s.snapshot.conflict(); err != nil {
			return err
		}
	}
	s.end(commit)
	return nil
}

// end commits the transaction, or rolls it back.
func (s *session) end(commit bool) {
	s.db.commits++
	gone := map[*table]bool{}
	for _, u := range slices.Backward(s.undo) {
		switch {
		case u.defined != nil:
			if !commit {
				u.defined()
			}
		case commit && u.made:
			u.row.madeBy, u.row.madeAt = nil, s.db.commits
		case commit:
			gone[u.table] = !s.db.keeps(u)
			u.table.at = s.db.commits
		case u.made:
			u.row.takenBy = s // hides it from all sessions
			gone[u.table] = true
		default:
			if u.row.madeBy != s {
				u.row.takenBy = nil
			}
		}
	}
	for t, is := range gone {
		if is {
			t.sweep(func(r *row) bool { return r.takenBy == s })
		}
	}
	s.undo, s.open, s.snapshot = nil, false, snapshot{}
	delete(s.db.running, s)
	s.db.vacuum()
	if s.db.definer == s {
		s.db.definer = nil
	}
	for name, owner := range s.db.locks {
		if owner == s {
			delete(s.db.locks, name)
		}
	}
	s.db.changed.Broadcast()
}

// execute runs sp_getapplock, the only supported procedure.
func (s *session) execute(ctx context.Context, e *ast.ExecuteSpecification) error {
	p, ok := e.ExecutableEntity.(*ast.ExecutableProcedureReference)
	if !ok || p.ProcedureReference.ProcedureReference.Name.BaseIdentifier.Value !=
		"sp_getapplock" ||
		e.Variable == nil {
		return unknown(e.ExecutableEntity)
	}
	args := map[string]any{}
	for _, a := range p.Parameters {
		v, err := s.scalar(a.ParameterValue)
		if err != nil {
			return err
		}
		args[strings.ToLower(a.Variable.Name)] = v
	}
	resource, ok := args["@resource"].(string)
	if !ok || args["@lockmode"] != "Exclusive" || args["@lockowner"] != "Transaction" {
		return fail(40517, "the stand-in knows exclusive locks of transactions")
	}
	result := strings.ToLower(e.Variable.Name)
	if !s.open {
		s.set(result, -999)
		return nil
	}
	for s.db.locks[resource] != nil && s.db.locks[resource] != s {
		if err := s.db.wait(ctx); err != nil {
			return err
		}
	}
	s.db.locks[resource] = s
	s.set(result, 0)
	return nil
}

func (s *session) set(name string, to int64) {
	v := s.vars[name]
	v.Value = to
	s.vars[name] = v
}

// Transaction implements sqlserver.Session.
func (s *session) Transaction() bool {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return s.open
}

// Close implements sqlserver.Session.
func (s *session) Close() {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.closed = true
	s.end(false)
}

// Columns implements sqlserver.Session.
func (s *session) Columns(_ context.Context, name string) ([]sqlserver.Column, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	t, err := s.named(name)
	if err != nil {
		return nil, err
	}
	var out []sqlserver.Column
	for _, c := range t.columns {
		out = append(out, c.Column)
	}
	return out, nil
}

// named returns the table "[schema].[name]".
func (s *session) named(name string) (*table, error) {
	schema, base, ok := strings.Cut(strings.Trim(name, "[]"), "].[")
	if !ok {
		return nil, fail(208, "Invalid object name '%s'.", name)
	}
	return s.db.table(schema, base)
}

// Copy implements sqlserver.Session.
func (s *session) Copy(
	_ context.Context, name string, columns []string, rows iter.Seq2[[]any, error],
) (int64, error) {
	// Rows come over the network: read them all before locking the database.
	var all [][]any
	for r, err := range rows {
		if err != nil {
			return 0, err
		}
		all = append(all, r)
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	t, err := s.named(name)
	if err == nil {
		err = s.insertAll(t, columns, all)
	}
	if err != nil {
		s.end(false)
		return 0, err
	}
	if !s.open {
		s.end(true)
	}
	return int64(len(all)), nil
}

func (s *session) insertAll(t *table, columns []string, rows [][]any) error {
	at := make([]int, len(columns))
	for i, c := range columns {
		var err error
		if at[i], err = t.column(c); err != nil {
			return err
		}
	}
	for _, r := range rows {
		if len(r) != len(columns) {
			return fail(
				213, "Column name or number of supplied values does not match table definition.",
			)
		}
		cells := make([]any, len(t.columns))
		for i, v := range r {
			cells[at[i]] = v
		}
		if err := t.insert(s, cells); err != nil {
			return err
		}
	}
	return nil
}

func nameOf(c *ast.ColumnReferenceExpression) string {
	ids := c.MultiPartIdentifier.Identifiers
	return ids[len(ids)-1].Value
}

func intOf(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("a number that does not fit: %s", text)
	}
	return n, nil
}
