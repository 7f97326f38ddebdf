package tsqleval

// The tree of a statement.
type (
	query []*selection // UNION ALL

	selection struct {
		top   int // -1 for all
		items []output
		from  []tableSource
		where cond
		order []orderItem
	}
	output struct {
		expr expr
		name string
	}
	orderItem struct {
		expr expr
		desc bool
	}
	tableSource struct {
		alias string
		outer bool
		table string
		json  *openjson
		query query
	}
	openjson struct {
		arg     expr
		columns []jsonColumn
	}
	jsonColumn struct {
		name, path string
		typ        sqlType
		json       bool
	}

	expr any
	cond any

	columnRef struct{ alias, name string }
	literal   struct {
		text     string
		national bool
	}
	numeral  struct{ text string }
	nullExpr struct{}
	call     struct {
		name   string
		args   []expr
		star   bool
		within []orderItem
		over   bool
		part   []expr
		order  []orderItem
	}
	castExpr struct {
		expr expr
		typ  sqlType
		try  bool
		// style of CONVERT
		convert bool
		style   string
	}
	caseExpr struct {
		input expr
		whens []when
		els   expr
	}
	when struct {
		cond cond
		val  expr // in the simple form
		then expr
	}
	binary struct {
		op   string
		l, r expr
	}
	negative struct{ x expr }
	collated struct {
		x    expr
		name string
	}
	subquery struct{ q query }

	comparison struct {
		op   string
		l, r expr
	}
	logic struct {
		op   string
		l, r cond
	}
	notCond struct{ x cond }
	isNull  struct {
		x   expr
		not bool
	}
	inList struct {
		x    expr
		list []expr
		not  bool
	}
	like struct {
		x, pattern expr
		not        bool
	}
	between struct{ x, low, high expr }
)
