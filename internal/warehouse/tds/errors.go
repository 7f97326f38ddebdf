package tds

import (
	"context"
	"errors"
	"time"

	driver "github.com/microsoft/go-mssqldb"

	"fhirsynapse/internal/fault"
)

// meaning is the known meaning of an error number.
type meaning struct {
	class  fault.Class
	after  time.Duration
	remedy string
}

const (
	soon      = 0
	aMinute   = time.Minute
	minutes   = 5 * time.Minute
	grantAll  = "grant the login the missing permissions: fhirsynapse sql setup --check --to WAREHOUSE --principal NAME lists them, and without --check it prints the statements"
	tooLarge  = "the statement of a view is too large for the server: divide the view, or remove the setting WarehouseTransform, so that the app computes the rows"
	rebuildIt = "rebuild the tables of the resource type, see Rebuilding in docs/warehouses.md"
)

// meanings maps error numbers to meanings. The connection errors are those that Microsoft's drivers
// document as transient; an unlisted number is Transient, because tries are bounded.
var meanings = map[int32]meaning{
	// Connection errors.
	64:    {fault.Transient, soon, ""},
	233:   {fault.Transient, soon, ""},
	4221:  {fault.Transient, soon, ""},
	10053: {fault.Transient, soon, ""},
	10054: {fault.Transient, soon, ""},
	10060: {fault.Transient, soon, ""},
	10928: {fault.Transient, aMinute, "lower WarehouseStatements, or raise the database's limits"},
	10929: {fault.Transient, aMinute, "lower WarehouseStatements, or raise the database's limits"},
	40020: {fault.Transient, soon, ""},
	40143: {fault.Transient, soon, ""},
	40166: {fault.Transient, soon, ""},
	40197: {fault.Transient, soon, ""},
	40501: {fault.Transient, aMinute, "the service is busy"},
	40540: {fault.Transient, soon, ""},
	40613: {fault.Transient, soon, ""},
	49918: {fault.Transient, aMinute, ""},
	49919: {fault.Transient, aMinute, ""},
	49920: {fault.Transient, aMinute, ""},
	// This also occurs during a failover.
	4060: {
		fault.Transient, aMinute,
		"if this continues, check the name of the database, and that the login is a user of it",
	},
	// The dedicated pool.
	42108: {
		fault.Transient, minutes,
		"the pool is paused: resume it, or wait until its schedule does",
	},
	42109: {fault.Transient, aMinute, "the pool is warming up"},
	// Other committers.
	1205:  {fault.Transient, soon, ""},
	1222:  {fault.Transient, soon, ""},
	3960:  {fault.Transient, soon, ""},
	24556: {fault.Transient, soon, ""},
	24706: {fault.Transient, soon, ""},
	2627:  {fault.Transient, soon, "another program writes to the same tables"},
	2601:  {fault.Transient, soon, "another program writes to the same tables"},
	// Concurrent creation of the same tables.
	1913: {
		fault.Transient, soon,
		"if this continues, the login cannot see the object: " + grantAll,
	},
	2705: {
		fault.Transient, soon,
		"if this continues, the login cannot see the column: " + grantAll,
	},
	2714: {
		fault.Transient, soon,
		"if this continues, the login cannot see the object: " + grantAll,
	},
	2759: {fault.Transient, soon, "if this continues, create the schema and " + grantAll},
	// Temporary lack of resources.
	701:  {fault.Transient, aMinute, "the server is short of memory"},
	8645: {fault.Transient, aMinute, "the server is short of memory"},

	// Errors that need a person.
	18452: {
		fault.Permanent, 0,
		"the server does not accept this kind of login: check fedauth in the connection string",
	},
	18456: {
		fault.Permanent, 0,
		"check user and password, or create a user for this app's identity: fhirsynapse sql setup prints the statements",
	},
	18470: {fault.Permanent, 0, "enable the login"},
	18487: {fault.Permanent, 0, "set a new password for the login"},
	18488: {fault.Permanent, 0, "set a new password for the login"},
	40615: {fault.Permanent, 0, "admit this app's address in the server's firewall"},
	40914: {fault.Permanent, 0, "admit this app's network in the server's firewall"},
	47073: {
		fault.Permanent, 0,
		"public access is off: reach the server through a private endpoint",
	},
	916: {
		fault.Permanent, 0,
		"make the login a user of the database: fhirsynapse sql setup prints the statements",
	},
	229:   {fault.Permanent, 0, grantAll},
	230:   {fault.Permanent, 0, grantAll},
	262:   {fault.Permanent, 0, grantAll},
	297:   {fault.Permanent, 0, grantAll},
	1088:  {fault.Permanent, 0, grantAll},
	2760:  {fault.Permanent, 0, "create the schema, and " + grantAll},
	4902:  {fault.Permanent, 0, grantAll},
	6004:  {fault.Permanent, 0, grantAll},
	15151: {fault.Permanent, 0, grantAll},
	15247: {fault.Permanent, 0, grantAll},
	102: {
		fault.Permanent, 0,
		"the server does not know the statement: check that the scheme of the setting Warehouse names this engine",
	},
	156: {
		fault.Permanent, 0,
		"the server does not know the statement: check that the scheme of the setting Warehouse names this engine",
	},
	103010: {
		fault.Permanent, 0,
		"the server does not know the statement: check that the scheme of the setting Warehouse names this engine",
	},
	104409: {
		fault.Permanent, 0,
		"the server does not know the statement: check that the scheme of the setting Warehouse names this engine",
	},
	191:  {fault.Permanent, 0, tooLarge},
	8623: {fault.Permanent, 0, tooLarge},
	8631: {fault.Permanent, 0, tooLarge},
	8632: {fault.Permanent, 0, tooLarge},
	207: {
		fault.Permanent, 0,
		"a table was changed by hand: add the column back, or " + rebuildIt,
	},
	16539: {
		fault.Permanent, 0,
		"the pool writes only to the dfs endpoint of a storage account: see docs/warehouses.md",
	},
	208: {fault.Permanent, 0, "a table was dropped by hand: " + rebuildIt},
	213: {fault.Permanent, 0, "a table was changed by hand: " + rebuildIt},
	515: {fault.Permanent, 0, "a table was changed by hand: " + rebuildIt},
	1946: {
		fault.Permanent, 0,
		"a value is too long for an index that somebody made on its column: drop that index",
	},
	3726:  {fault.Permanent, 0, "another object refers to the table: drop that object first"},
	3729:  {fault.Permanent, 0, "another object refers to the table: drop that object first"},
	547:   {fault.Permanent, 0, "a constraint was added to a table by hand: drop it"},
	2628:  {fault.Permanent, 0, "a table was changed by hand: " + rebuildIt},
	8152:  {fault.Permanent, 0, "a table was changed by hand: " + rebuildIt},
	1105:  {fault.Permanent, 0, "the database is full: make room"},
	9002:  {fault.Permanent, 0, "the transaction log is full: make room, or load smaller batches"},
	40544: {fault.Permanent, 0, "the database has reached its size: make room, or raise it"},
}

// quoting are the numbers in meanings whose texts quote values.
var quoting = map[int32]bool{515: true, 547: true, 2601: true, 2627: true, 2628: true, 8152: true}

// speaksOfObjects reports whether an error's text names at most tables and logins.
func speaksOfObjects(number int32) bool {
	_, known := meanings[number]
	return known && !quoting[number]
}

const stepConnect = "connect"

// classified sets the class of a server error by its number.
func classified(ctx context.Context, step string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err // a credential's error is already classified
	}
	s := &serverError{step: step, err: err}
	var e driver.Error
	if errors.As(err, &e) {
		s.number = e.Number
	}
	m := meanings[s.number]
	if s.number == 0 && step == stepConnect {
		m.remedy = "check host and port; use encrypt=disable for a server without encryption, and TrustServerCertificate=true for a certificate that no authority has signed"
	}
	return &fault.Error{Class: m.class, After: m.after, Remedy: m.remedy, Err: s}
}

// Known reports whether the meaning of a server error is known by its number.
func Known(err error) bool {
	_, known := meanings[Number(err)]
	return known
}

// passesSoon reports whether a server error is worth another try within the step.
func passesSoon(err error) bool {
	var s *serverError
	return errors.As(err, &s) && fault.Of(err) == fault.Transient && fault.After(err) == 0
}

// Retry returns an error that is worth an immediate retry.
func Retry(step string, err error) error {
	return &fault.Error{Err: &serverError{step: step, err: err}}
}
