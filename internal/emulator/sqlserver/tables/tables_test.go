package tables_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
)

type sessions struct {
	t *testing.T
	*tables.Database
}

func newSessions(t *testing.T, o tables.Options) sessions {
	t.Helper()
	s := sessions{t, tables.New(o)}
	one := s.Session("x")
	s.run(one, "CREATE TABLE [dbo].[t] ([id] varchar(4) COLLATE Latin1_General_100_BIN2 NOT NULL, [n] int NULL, PRIMARY KEY ([id]))")
	s.run(one, "INSERT INTO [dbo].[t] ([id], [n]) SELECT 'a', 1")
	return s
}

func (s sessions) run(one sqlserver.Session, text string) sqlserver.Result {
	s.t.Helper()
	r, err := one.Batch(s.t.Context(), text, nil)
	if err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return r
}

func (s sessions) fails(one sqlserver.Session, number int32, text string) {
	s.t.Helper()
	_, err := one.Batch(s.t.Context(), text, nil)
	var e *sqlserver.Error
	if !errors.As(err, &e) || e.Number != number {
		s.t.Errorf("%s: %v, want number %d", text, err, number)
	}
}

func (s sessions) cell(one sqlserver.Session, query string) string {
	s.t.Helper()
	r := s.run(one, query)
	if len(r.Rows) != 1 {
		return fmt.Sprint(len(r.Rows), " rows")
	}
	return fmt.Sprint(r.Rows[0]...)
}

// TestStrict checks that unknown elements are refused, and also the errors of a server.
func TestStrict(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{})
	one := s.Session("x")
	for text, number := range map[string]int32{
		"SELECT TOP (1) PERCENT t.[id] FROM [dbo].[t] AS t":                       40517,
		"SELECT t.[id] FROM [dbo].[t] AS t WHERE t.[id] LIKE '[a]%'":              40517,
		"SELECT SOUNDEX(t.[id]) AS [n] FROM [dbo].[t] AS t":                       195,
		"WITH x AS (SELECT 1 AS [a]) SELECT x.[a] FROM x":                         40517,
		"UPDATE [dbo].[t] SET [n] = 1 FROM [dbo].[t] AS t":                        40517,
		"TRUNCATE TABLE [dbo].[t]":                                                40517,
		"SELECT t.[id] FROM [dbo].[other] AS t":                                   208,
		"SELECT t.[other] FROM [dbo].[t] AS t":                                    207,
		"INSERT INTO [dbo].[t] ([id], [n]) SELECT 'a', 2":                         2627,
		"INSERT INTO [dbo].[t] ([id], [n]) SELECT 'abcde', 2":                     2628,
		"INSERT INTO [dbo].[t] ([n]) SELECT 2":                                    515,
		"INSERT INTO [dbo].[t] ([id], [n]) SELECT 'b', 'x'":                       245,
		"DROP TABLE [dbo].[other]":                                                3701,
		"CREATE TABLE [none].[t] ([id] int NULL)":                                 2760,
		"CREATE TABLE [dbo].[T] ([id] int NULL)":                                  2714,
		"ALTER TABLE [dbo].[t] DROP COLUMN [id]":                                  4922,
		"ALTER TABLE [dbo].[t] DROP COLUMN [other]":                               4924,
		"ALTER TABLE [dbo].[t] DROP CONSTRAINT [n]":                               3728,
		"COMMIT TRANSACTION":                                                      3902,
		"SELECT FROM":                                                             102,
		"DELETE FROM [dbo].[t] WHERE [id] IN (SELECT o.[id] FROM [dbo].[o] AS o)": 208,
	} {
		s.fails(one, number, text)
	}
	if got := s.cell(one, "SELECT t.[id], t.[n] FROM [dbo].[t] AS t"); got != "a1" {
		t.Errorf("afterwards: %s", got)
	}
}

func TestColumnsAreDroppedAndAdded(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{})
	one := s.Session("x")
	s.run(one, "CREATE TABLE [dbo].[k] ([n] int NULL, [id] varchar(4) NOT NULL, [m] int NULL, PRIMARY KEY ([id]))")
	s.run(one, "INSERT INTO [dbo].[k] ([n], [id], [m]) SELECT 1, 'a', 2")
	s.run(one, "BEGIN TRANSACTION")
	s.run(one, "ALTER TABLE [dbo].[k] DROP COLUMN [n]")
	s.run(one, "ROLLBACK TRANSACTION")
	if got := s.cell(one, "SELECT t.[n], t.[id], t.[m] FROM [dbo].[k] AS t"); got != "1a2" {
		t.Errorf("undone: %s", got)
	}
	s.run(one, "ALTER TABLE [dbo].[k] DROP COLUMN [n]")
	s.fails(one, 207, "SELECT t.[n] FROM [dbo].[k] AS t")
	s.run(one, "ALTER TABLE [dbo].[k] ADD [n] date NULL")
	if got := s.cell(one,
		"SELECT t.[id], t.[m], t.[n] FROM [dbo].[k] AS t WHERE t.[n] IS NULL"); got != "a2 <nil>" {
		t.Errorf("added again: %s", got)
	}
	s.fails(one, 2627, "INSERT INTO [dbo].[k] ([id], [m]) SELECT 'a', 3") // the key is still unique
}

func TestColumnsAreWidened(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{Autocommit: true})
	one := s.Session("x")
	s.run(one,
		"CREATE TABLE [dbo].[w] ([id] varchar(4) NOT NULL, [text] nvarchar(2) NULL, PRIMARY KEY ([id]))")
	s.run(one, "INSERT INTO [dbo].[w] ([id], [text]) SELECT 'a', N'\u6771\u4eac'")
	s.fails(one, 2628, "INSERT INTO [dbo].[w] ([id], [text]) SELECT 'b', N'abc'")
	s.run(one,
		"ALTER TABLE [dbo].[w] ALTER COLUMN [TEXT] nvarchar(4) COLLATE Latin1_General_100_BIN2 NULL")
	s.run(one, "INSERT INTO [dbo].[w] ([id], [text]) SELECT 'b', N'abcd'")
	s.fails(one, 2628, "ALTER TABLE [dbo].[w] ALTER COLUMN [text] nvarchar(3) NULL")
	s.fails(one, 4924, "ALTER TABLE [dbo].[w] ALTER COLUMN [other] nvarchar(3) NULL")
	s.fails(one, 4922, "ALTER TABLE [dbo].[w] ALTER COLUMN [id] varchar(8) NOT NULL")
	s.run(one, "BEGIN TRANSACTION")
	s.fails(one, 111212, "ALTER TABLE [dbo].[w] ALTER COLUMN [text] nvarchar(max) NULL")
	s.run(one, "ALTER TABLE [dbo].[w] ALTER COLUMN [text] nvarchar(max) NULL")
	s.run(one, "INSERT INTO [dbo].[w] ([id], [text]) SELECT 'c', N'abcde'")
	const text = "SELECT t.[text] FROM [dbo].[w] AS t WHERE t.[id] = 'a'"
	if got := s.cell(one, text); got != "\u6771\u4eac" {
		t.Errorf("kept: %s", got)
	}
	// A code page has no such characters, and nobody says so.
	s.run(one, "ALTER TABLE [dbo].[w] ALTER COLUMN [text] varchar(8) NULL")
	if got := s.cell(one, text); got != "??" {
		t.Errorf("in a code page: %s", got)
	}
	fabric := newSessions(t, tables.Options{Conflicts: true})
	fabric.fails(fabric.Session("x"), 24585,
		"ALTER TABLE [dbo].[t] ALTER COLUMN [id] varchar(8) NOT NULL")
}

func TestReadersSeeWhatIsCommitted(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{})
	writer, reader := s.Session("x"), s.Session("x")
	const query = "SELECT t.[n] FROM [dbo].[t] AS t WHERE t.[id] = 'a'"
	for _, end := range []string{"ROLLBACK TRANSACTION", "COMMIT TRANSACTION"} {
		s.run(writer, "BEGIN TRANSACTION")
		s.run(writer, "UPDATE [dbo].[t] SET [n] = 2 WHERE [id] = 'a'")
		if mine, others := s.cell(writer, query),
			s.cell(reader, query); mine != "2" || others != "1" {
			t.Errorf("before %s: the writer sees %s, the reader %s", end, mine, others)
		}
		s.run(writer, end)
	}
	if got := s.cell(reader, query); got != "2" {
		t.Errorf("in the end: %s", got)
	}
	s.run(writer, "BEGIN TRANSACTION")
	s.run(writer, "DELETE FROM [dbo].[t] WHERE [id] = 'a'")
	writer.Close() // as a cut connection does
	if got := s.cell(reader, query); got != "2" {
		t.Errorf("after a cut: %s", got)
	}
}

// TestWritersExcludeEachOther checks that the second waits for the first.
func TestWritersExcludeEachOther(t *testing.T) {
	t.Parallel()
	const update = "UPDATE [dbo].[t] SET [n] = 3 WHERE [id] = 'a'"
	const lock = "DECLARE @r int EXEC @r = sp_getapplock @Resource = N'x', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 1 SELECT @r AS [r]"
	for _, text := range []string{update, lock} {
		s := newSessions(t, tables.Options{})
		first, second := s.Session("x"), s.Session("x")
		s.run(first, "BEGIN TRANSACTION")
		s.run(first, text)
		s.run(second, "BEGIN TRANSACTION")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := second.Batch(ctx, text, nil)
			ended <- err
		}()
		select {
		case err := <-ended:
			t.Errorf("%s: it did not wait: %v", text, err)
		default:
		}
		s.run(first, "COMMIT TRANSACTION")
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", text, err)
		}
		cancel()
	}
}

// Fabric lets both transactions go on. The first to commit wins, the other one fails at COMMIT and
// is rolled back.
func TestConflictsAtCommit(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{Conflicts: true})
	one, two, reader := s.Session("x"), s.Session("x"), s.Session("x")
	s.run(one, "INSERT INTO [dbo].[t] ([id], [n]) SELECT 'b', 1")
	s.run(one, "CREATE TABLE [dbo].[other] ([id] varchar(4) NOT NULL)")
	const all = "SELECT COUNT_BIG(*) AS [n], SUM(t.[n]) AS [s] FROM [dbo].[t] AS t"
	s.run(one, "BEGIN TRANSACTION")
	s.run(two, "BEGIN TRANSACTION")
	s.run(one, "UPDATE [dbo].[t] SET [n] = 3 WHERE [id] = 'a'")
	s.run(two, "UPDATE [dbo].[t] SET [n] = 5 WHERE [id] = 'a'") // it neither waits nor fails
	s.run(two, "DELETE FROM [dbo].[t] WHERE [id] = 'b'")
	s.run(two, "INSERT INTO [dbo].[other] ([id]) SELECT 'x'")
	s.run(one, "COMMIT TRANSACTION")
	for session, want := range map[sqlserver.Session]string{one: "24", two: "15", reader: "24"} {
		if got := strings.ReplaceAll(s.cell(session, all), " ", ""); got != want {
			t.Errorf("count and sum are %s, want %s", got, want)
		}
	}
	s.fails(two, 24556, "COMMIT TRANSACTION")
	if two.Transaction() {
		t.Error("the transaction of the loser is open")
	}
	if got := s.cell(two, "SELECT COUNT_BIG(*) AS [n] FROM [dbo].[other] AS o"); got != "0" {
		t.Errorf("the loser has left %s rows", got)
	}
	s.run(two, "BEGIN TRANSACTION") // again
	s.run(two, "UPDATE [dbo].[t] SET [n] = 5 WHERE [id] = 'a'")
	s.run(two, "COMMIT TRANSACTION")
	if got := s.cell(reader, "SELECT t.[n] FROM [dbo].[t] AS t WHERE t.[id] = 'a'"); got != "5" {
		t.Errorf("in the end: %s", got)
	}
	// Other rows of the same table conflict too. Inserts do not.
	for text, number := range map[string]int32{
		"DELETE FROM [dbo].[t] WHERE [id] = 'b'":          24556,
		"INSERT INTO [dbo].[t] ([id], [n]) SELECT 'c', 1": 0,
	} {
		s.run(one, "BEGIN TRANSACTION")
		s.run(two, "BEGIN TRANSACTION")
		s.run(one, "UPDATE [dbo].[t] SET [n] = 7 WHERE [id] = 'a'")
		s.run(two, text)
		s.run(one, "COMMIT TRANSACTION")
		if number == 0 {
			s.run(two, "COMMIT TRANSACTION")
		} else {
			s.fails(two, number, "COMMIT TRANSACTION")
		}
	}
}

// A session may try the body of a view over documents in a temporary table.
func TestBodiesRunOverDocuments(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{})
	one, other := s.Session("x"), s.Session("x")
	s.run(one, "CREATE TABLE #docs ([doc] nvarchar(max) NULL)")
	s.fails(one, 2714, "CREATE TABLE #docs ([doc] nvarchar(max) NULL)")
	s.fails(other, 208, "SELECT d.[doc] FROM #docs AS d")
	if _, err := one.Batch(
		t.Context(), "INSERT INTO #docs ([doc]) VALUES (@p1)", []any{`{"id":"a","n":5}`},
	); err != nil {
		t.Fatal(err)
	}
	const body = " SELECT CAST(j.[id] AS varchar(4)) COLLATE Latin1_General_100_BIN2 AS [id], " +
		"TRY_CAST(j.[n] AS int) AS [n] FROM #docs AS d CROSS APPLY OPENJSON(d.[doc]) " +
		"WITH ([id] nvarchar(max) '$.id', [n] nvarchar(max) '$.n') AS j"
	if got := s.cell(one, body); got != "a5" {
		t.Errorf("the body gives %s", got)
	}
	s.fails(one, 2627, "INSERT INTO [dbo].[t] ([id], [n])"+body)
	s.run(one, "CREATE TABLE [dbo].[made] WITH (HEAP, DISTRIBUTION = ROUND_ROBIN) AS"+body)
	if got := s.cell(other, "SELECT m.[n] FROM [dbo].[made] AS m WHERE m.[id] = 'a'"); got != "5" {
		t.Errorf("the table of the body holds %s", got)
	}
	s.fails(one, 40517, "SELECT m.[n] FROM [dbo].[made] AS m WHERE m.[id] = 1")
	s.run(one, "DROP TABLE IF EXISTS #docs")
	s.run(one, "DROP TABLE IF EXISTS #docs")
	s.fails(one, 208, "SELECT d.[doc] FROM #docs AS d")
}

// A comparison that relies on a collation must say which: the default disregards case.
func TestTheDefaultCollationDisregardsCase(t *testing.T) {
	t.Parallel()
	for conflicts, want := range map[bool]string{false: "2", true: "1"} {
		s := newSessions(t, tables.Options{Conflicts: conflicts})
		one := s.Session("x")
		s.run(one, "CREATE TABLE [dbo].[c] ([a] varchar(4) NULL)")
		s.run(one, "INSERT INTO [dbo].[c] ([a]) SELECT 'x' AS [a] UNION ALL SELECT 'X' AS [a]")
		const query = "SELECT COUNT_BIG(*) AS [n] FROM [dbo].[c] AS c WHERE c.[a] = 'x'"
		if got := s.cell(one, query); got != want {
			t.Errorf("like Fabric %t: %s rows", conflicts, got)
		}
		s.run(one, "DELETE FROM [dbo].[c] WHERE [a] = 'X'")
		if got := s.cell(one,
			"SELECT COUNT_BIG(*) AS [n] FROM [dbo].[c] AS c"); got != map[string]string{
			"2": "0", "1": "1",
		}[want] {
			t.Errorf("like Fabric %t: %s rows are left", conflicts, got)
		}
	}
}

// The dedicated pool defines nothing in a transaction, which is rolled back then.
func TestNothingIsDefinedInATransaction(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{Autocommit: true})
	one := s.Session("x")
	for _, text := range []string{
		"CREATE TABLE [dbo].[u] ([id] int NULL)", "DROP TABLE [dbo].[t]",
		"ALTER TABLE [dbo].[t] ADD [m] int NULL", "ALTER SCHEMA [dbo] TRANSFER [dbo].[t]",
	} {
		s.run(one, "BEGIN TRANSACTION")
		s.run(one, "INSERT INTO [dbo].[t] ([id], [n]) SELECT 'b', 2")
		s.fails(one, 111212, text)
		if got := s.cell(one, "SELECT COUNT_BIG(*) AS [n] FROM [dbo].[t] AS t"); got != "1" {
			t.Errorf("%s: %s rows are left", text, got)
		}
	}
}

// COPY refuses a text that is longer than its column, and leaves no row.
func TestCopyIntoANarrowColumn(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{
		Open: func(context.Context, string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("c\x0b3\nlonger\x0b4\n")), nil
		},
	})
	one := s.Session("x")
	s.fails(one, 107090, "COPY INTO [dbo].[t] ([id] 1, [n] 2)\nFROM 'https://a/b'\n"+
		"WITH (FILE_TYPE = 'CSV', FIELDTERMINATOR = '0x0b', FIELDQUOTE = '', ROWTERMINATOR = '0x0A')")
	if got := s.cell(one, "SELECT COUNT_BIG(*) AS [n] FROM [dbo].[t] AS t"); got != "1" {
		t.Errorf("%s rows are there", got)
	}
}

// Tables are stored as they say. What an engine does not have is refused.
func TestStorageOfTables(t *testing.T) {
	t.Parallel()
	s := newSessions(t, tables.Options{Autocommit: true})
	pool := s.Session("x")
	s.run(pool, "CREATE TABLE [dbo].[c] ([a] nvarchar(4000) NULL, [b] varchar(128) NULL)\n"+
		"WITH (CLUSTERED COLUMNSTORE INDEX, DISTRIBUTION = HASH([b]))")
	if is, by, _ := s.Placed("dbo", "c"); !is || by != "b" {
		t.Errorf("a columnstore: %t, distributed by %q", is, by)
	}
	s.fails(pool, 35343, "CREATE TABLE [dbo].[d] ([a] nvarchar(max) NULL)\n"+
		"WITH (CLUSTERED COLUMNSTORE INDEX, DISTRIBUTION = ROUND_ROBIN)")
	s.fails(pool, 35343, "ALTER TABLE [dbo].[c] ALTER COLUMN [a] nvarchar(max) NULL")
	s.run(pool, "ALTER TABLE [dbo].[c] ALTER COLUMN [b] varchar(256) NULL")
	s.fails(pool, 207, "CREATE TABLE [dbo].[d] ([a] int NULL)\nWITH (HEAP, DISTRIBUTION = HASH([b]))")
	s.fails(pool, 102, "CREATE TABLE [dbo].[d] ([a] int NULL)\nWITH (CLUSTER BY ([a]))")

	fabric := newSessions(t, tables.Options{Conflicts: true})
	one := fabric.Session("x")
	fabric.run(one, "CREATE TABLE [dbo].[c] ([a] varchar(8) NULL, [b] date NULL)\n"+
		"WITH (CLUSTER BY ([a], [b]))")
	fabric.fails(one, 24585, "CREATE TABLE [dbo].[d] ([a] varchar(max) NULL)\nWITH (CLUSTER BY ([a]))")
	fabric.fails(one, 24584, "CREATE TABLE [dbo].[d] ([a] int NULL)\nWITH (HEAP)")
}

// An identity that an engine does not have is refused.
func TestIdentitiesOfCopy(t *testing.T) {
	t.Parallel()
	for identity, fabric := range map[string]bool{
		"Managed Identity": false, "Workspace Identity": true,
	} {
		for _, conflicts := range []bool{false, true} {
			s := newSessions(t, tables.Options{
				Conflicts: conflicts,
				Open: func(context.Context, string) (io.ReadCloser, error) {
					return io.NopCloser(strings.NewReader("c\x0b3\n")), nil
				},
			})
			text := "COPY INTO [dbo].[t] ([id] 1, [n] 2)\nFROM 'https://a/b'\nWITH (FILE_TYPE = 'CSV', " +
				"CREDENTIAL = (IDENTITY = '" + identity + "'), FIELDTERMINATOR = '0x0b', " +
				"FIELDQUOTE = '', ROWTERMINATOR = '0x0A')"
			if conflicts == fabric {
				s.run(s.Session("x"), text)
			} else {
				s.fails(s.Session("x"), 13839, text)
			}
		}
	}
}
