package mssql

import (
	"context"

	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// compareStorage logs the tables that are not stored as their plan wants: they stay as they are,
// with all rows. It refuses texts that they have no room for.
func (w *definer) compareStorage(
	ctx context.Context, s session, t statements.Target, there statements.Catalog,
) error {
	query, asks := statements.StorageQuery(t)
	if !asks || !t.HasHead(there) {
		return nil
	}
	var stored []statements.Stored
	err := s.query(ctx, query, func(scan func(...any) error) error {
		var row statements.Stored
		err := scan(&row.Schema, &row.Table, &row.Columnstore, &row.Column)
		stored = append(stored, row)
		return err
	})
	if err != nil {
		if tds.Number(err) == 0 || tds.Known(err) {
			return err
		}
		// Only warnings depend on the answer, and some servers that resemble SQL Server cannot
		// give it.
		w.o.Log.DebugContext(ctx, "the server does not tell how tables are stored", "error", err)
		s.GoOn()
		return nil
	}
	for _, d := range statements.Differences(t, stored) {
		w.o.Log.WarnContext(ctx, "a table is not stored as the settings want, and stays as it is",
			"table", d.Table, "is", d.Is, "wanted", d.Wanted, "remedy", d.Remedy)
	}
	return statements.Overfull(t, stored)
}
