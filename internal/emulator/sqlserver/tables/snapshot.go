package tables

// snapshot is the state that a transaction sees, in a database with Conflicts.
type snapshot struct {
	began int // the number of the last commit before it
	// taken holds the rows that the transaction has deleted. Others may have deleted them too.
	taken map[*row]*table
}

// snapshots holds the numbers of the commits that made and deleted a row, in a database with
// Conflicts. A deleted row stays as long as a snapshot may show it.
type snapshots struct{ madeAt, takenAt int }

// inSnapshot reports whether a row is visible in the snapshot of a transaction, or in the latest
// state if none is open.
func (r *row) inSnapshot(of *session) bool {
	switch {
	case of.snapshot.taken[r] != nil || r.takenBy != nil:
		return false
	case r.madeBy != nil:
		return r.madeBy == of
	case !of.open:
		return r.takenAt == 0
	}
	return r.madeAt <= of.snapshot.began && (r.takenAt == 0 || r.takenAt > of.snapshot.began)
}

// takes marks a row as deleted in the transaction.
func (s *snapshot) takes(t *table, r *row) {
	if s.taken == nil {
		s.taken = map[*row]*table{}
	}
	s.taken[r] = t
}

// conflict returns error 24556 if a transaction that committed since this one began has changed or
// deleted rows of the same table. Fabric judges by tables, not rows, and at COMMIT.
func (s *snapshot) conflict() error {
	for _, t := range s.taken {
		if t.at > s.began {
			return fail(24556, "Snapshot isolation transaction aborted due to update conflict. "+
				"Using snapshot isolation to access table '%s.%s' directly or indirectly can cause "+
				"update conflicts if rows in that table have been deleted or updated by another "+
				"concurrent transaction.", t.schema, t.name)
		}
	}
	return nil
}

// keeps reports whether a deleted row stays for the snapshots of others after the commit.
func (d *Database) keeps(u undo) bool {
	if !d.o.Conflicts {
		return false
	}
	u.row.takenAt = d.commits
	d.deleted[u.table] = true
	return true
}

// takenByOthers reports whether an open transaction of another session has deleted rows of a table.
func (d *Database) takenByOthers(t *table, than *session) bool {
	for other := range d.running {
		if other == than {
			continue
		}
		for _, of := range other.snapshot.taken {
			if of == t {
				return true
			}
		}
	}
	return false
}

// vacuum removes deleted rows once no transaction can see them.
func (d *Database) vacuum() {
	if len(d.running) > 0 {
		return
	}
	for t := range d.deleted {
		t.sweep(func(r *row) bool { return r.takenAt != 0 })
	}
	clear(d.deleted)
}
