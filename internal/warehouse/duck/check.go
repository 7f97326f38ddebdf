package duck

import "context"

// Check opens the database file for writing, and closes it. It fails when another
// process has the file open, or when the file cannot be written.
func (w *Warehouse) Check(ctx context.Context) error {
	return w.write(ctx, "check", func(*session, *database) error { return nil })
}
