package tables_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
)

// newIndexed returns a table with a primary key, an index, and statistics of both kinds.
func newIndexed(t *testing.T, o tables.Options) (sessions, sqlserver.Session) {
	t.Helper()
	s := newSessions(t, o)
	one := s.Session("x")
	for _, text := range []string{
		"CREATE TABLE [dbo].[i] ([id] varchar(4) NOT NULL, [a] varchar(8) NULL, [b] varchar(8) NULL, [c] varchar(8) NULL, CONSTRAINT [pk_i] PRIMARY KEY ([id]))",
		"CREATE NONCLUSTERED INDEX [ix_a] ON [dbo].[i] ([a])",
		"CREATE STATISTICS [by_b] ON [dbo].[i] ([b])",
		"CREATE STATISTICS [_WA_Sys_c] ON [dbo].[i] ([c])",
		"INSERT INTO [dbo].[i] ([id], [a]) SELECT '1', 'x'",
	} {
		s.run(one, text)
	}
	return s, one
}

// The server says what depends on the column, then that it failed.
func (s sessions) isUsed(one sqlserver.Session, text, by string) {
	s.t.Helper()
	_, err := one.Batch(s.t.Context(), text, nil)
	var e *sqlserver.Error
	if !errors.As(err, &e) || e.Number != 4922 || e.First == nil || e.First.Number != 5074 ||
		!strings.Contains(e.First.Message, "'"+by+"'") {
		s.t.Errorf("%s: %v, want 4922 after 5074 for %s", text, err, by)
	}
}

// The page on ALTER TABLE (msdn.microsoft.com/library/ms190273): an index admits a longer text of
// its type; a primary key does not, and automatic statistics are dropped.
func TestWidenColumnsThatSomethingDependsOn(t *testing.T) {
	t.Parallel()
	const alter = "ALTER TABLE [dbo].[i] ALTER COLUMN "
	s, one := newIndexed(t, tables.Options{})
	s.isUsed(one, alter+"[id] varchar(8) NOT NULL", "pk_i")
	s.isUsed(one, alter+"[a] nvarchar(8) NULL", "ix_a")
	s.isUsed(one, alter+"[a] varchar(max) NULL", "ix_a")
	s.run(one, alter+"[a] varchar(16) NULL")
	s.isUsed(one, alter+"[b] varchar(16) NULL", "by_b")
	s.run(one, alter+"[c] varchar(16) NULL")
	if got := s.Statistics("dbo", "i"); !slices.Equal(got, []string{"by_b"}) {
		t.Errorf("statistics %q", got)
	}
	for column, by := range map[string]string{"id": "pk_i", "a": "ix_a", "b": "by_b"} {
		s.isUsed(one, "ALTER TABLE [dbo].[i] DROP COLUMN ["+column+"]", by)
	}
	s.run(one, "DROP INDEX [ix_a] ON [dbo].[i]")
	s.run(one, "DROP STATISTICS [dbo].[i].[by_b]")
	s.run(one, "ALTER TABLE [dbo].[i] DROP CONSTRAINT [pk_i]")
	s.run(one, alter+"[a] nvarchar(max) NULL")
	s.run(one, "ALTER TABLE [dbo].[i] DROP COLUMN [b]")
	s.run(one, "INSERT INTO [dbo].[i] ([id]) SELECT '1'") // no key any more
	s.fails(one, 1919, "CREATE INDEX [ix_a] ON [dbo].[i] ([a])")

	pool, two := newIndexed(t, tables.Options{Autocommit: true})
	pool.isUsed(two, alter+"[a] varchar(16) NULL", "ix_a")
	pool.isUsed(two, alter+"[c] varchar(16) NULL", "_WA_Sys_c")
}

func TestIndexesAreNamedOnceAndUndone(t *testing.T) {
	t.Parallel()
	s, one := newIndexed(t, tables.Options{})
	s.fails(one, 1913, "CREATE INDEX [IX_A] ON [dbo].[i] ([b])")
	s.fails(one, 1902, "CREATE CLUSTERED INDEX [cx] ON [dbo].[i] ([b])")
	s.fails(one, 3723, "DROP INDEX [pk_i] ON [dbo].[i]")
	s.fails(one, 3701, "DROP INDEX [other] ON [dbo].[i]")
	s.fails(one, 3701, "DROP STATISTICS [dbo].[i].[ix_a]")
	for _, text := range []string{
		"ALTER TABLE [dbo].[i] DROP CONSTRAINT [pk_i]", "DROP INDEX [ix_a] ON [dbo].[i]",
		"ALTER TABLE [dbo].[i] ALTER COLUMN [a] varchar(9) NULL",
	} {
		s.run(one, "BEGIN TRANSACTION")
		s.run(one, text)
		s.run(one, "ROLLBACK TRANSACTION")
		if got := s.Indexes("dbo", "i"); !slices.Equal(got, []string{"ix_a", "pk_i"}) {
			t.Errorf("%s: %q are left", text, got)
		}
	}
	s.fails(one, 2627, "INSERT INTO [dbo].[i] ([id]) SELECT '1'")
	s.fails(one, 2628, "INSERT INTO [dbo].[i] ([id], [a]) SELECT '2', '123456789'")
}

func TestIndexesRefuseLongKeys(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{})
	one := s.Session("x")
	s.run(one, "CREATE TABLE [dbo].[l] ([a] nvarchar(1024) NULL)")
	s.run(one, "CREATE INDEX [ix_a] ON [dbo].[l] ([a])")
	s.run(one, "INSERT INTO [dbo].[l] ([a]) SELECT N'"+strings.Repeat("x", 850)+"'")
	s.fails(one, 1946, "INSERT INTO [dbo].[l] ([a]) SELECT N'"+strings.Repeat("x", 851)+"'")
	s.run(one, "DROP INDEX [ix_a] ON [dbo].[l]")
	s.run(one, "INSERT INTO [dbo].[l] ([a]) SELECT N'"+strings.Repeat("x", 851)+"'")
	s.fails(one, 1946, "CREATE INDEX [ix_a] ON [dbo].[l] ([a])")
}
