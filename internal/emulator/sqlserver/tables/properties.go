package tables

import (
	"strings"

	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// usual are the properties of a SQL Server 2022 with one database.
var usual = map[string]string{
	"engineedition": "3", "productversion": "16.0.4000.1", "status": "ONLINE",
	"updateability": "READ_WRITE",
}

// inspection returns the functions that describe the server, the database and the rights of the
// login. They answer text, of which a client asks for another type by CAST.
func (s *queries) inspection() map[string]eval.Function {
	text := syntax.Type{Base: "nvarchar", Size: 128}
	property := func(name string) any {
		name = strings.ToLower(name)
		for given, value := range s.db.o.Properties {
			if strings.EqualFold(given, name) {
				return value
			}
		}
		if value, ok := usual[name]; ok {
			return value
		}
		return nil
	}
	return map[string]eval.Function{
		"SERVERPROPERTY": {
			Arguments: 1, Type: text, Eval: func(args []string) any { return property(args[0]) },
		},
		"DATABASEPROPERTYEX": {
			Arguments: 2, Type: text, Eval: func(args []string) any { return property(args[1]) },
		},
		"HAS_PERMS_BY_NAME": {
			Arguments: 3, Type: syntax.Type{Base: "int"}, Eval: s.permitted,
		},
	}
}

// permitted answers HAS_PERMS_BY_NAME of a securable, its class and a permission.
func (s *queries) permitted(args []string) any {
	on := strings.Trim(args[0], "[]")
	if strings.EqualFold(args[1], "SCHEMA") && !s.db.schemas[strings.ToLower(on)] {
		return nil
	}
	if s.db.o.Denied[args[2]+" ON "+on] {
		return int64(0)
	}
	return int64(1)
}
