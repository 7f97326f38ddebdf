package flatten

// isStranger reports whether a resource belongs to other patients than the members.
func (e *evaluation) isStranger(res *Resource) bool {
	return e.in.Members != nil && !res.Deleted && e.compartment >= 0 && !e.member
}

// noteMember notes whether a row of the compartment names a member.
func (e *evaluation) noteMember(view int, cells [][]byte) {
	if view == e.compartment && e.in.Members != nil {
		e.member = e.member || e.in.Members.Has(cells[0])
	}
}
