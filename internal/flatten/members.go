package flatten

// isStranger reports whether a resource belongs to other patients than the members.
func (e *evaluation) isStranger(res *Resource) bool {
	switch {
	case e.in.Members == nil || res.Deleted:
		return false
	case e.in.Type == "Patient" && e.in.Members.Has(res.ID):
		return false
	}
	return e.compartment && !e.member
}

// isPatient reports whether a row is one of the resource's patients, and notes members.
func (e *evaluation) isPatient(view int, cells [][]byte) bool {
	if !e.compartment || view != len(e.tables) {
		return false
	}
	e.member = e.member || e.in.Members.Has(cells[0])
	return true
}
