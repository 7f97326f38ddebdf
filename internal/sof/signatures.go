package sof

import "fhirsynapse/internal/sof/schema"

// The functions that a Call may name. Where, Select, All, OfType, Is, the keys and the operators
// have their own expressions; extension(url) is a Filter.
const (
	FuncItem         Func = "[]" // the item at a position
	FuncExists       Func = "exists"
	FuncEmpty        Func = "empty"
	FuncNot          Func = "not"
	FuncCount        Func = "count"
	FuncFirst        Func = "first"
	FuncLast         Func = "last"
	FuncTail         Func = "tail"
	FuncSkip         Func = "skip"
	FuncTake         Func = "take"
	FuncSingle       Func = "single"
	FuncDistinct     Func = "distinct"
	FuncIsDistinct   Func = "isDistinct"
	FuncAllTrue      Func = "allTrue"
	FuncAnyTrue      Func = "anyTrue"
	FuncAllFalse     Func = "allFalse"
	FuncAnyFalse     Func = "anyFalse"
	FuncCombine      Func = "combine"
	FuncIntersect    Func = "intersect"
	FuncExclude      Func = "exclude"
	FuncSubsetOf     Func = "subsetOf"
	FuncSupersetOf   Func = "supersetOf"
	FuncIif          Func = "iif"
	FuncJoin         Func = "join"
	FuncTrim         Func = "trim"
	FuncUpper        Func = "upper"
	FuncLower        Func = "lower"
	FuncSubstring    Func = "substring"
	FuncStartsWith   Func = "startsWith"
	FuncEndsWith     Func = "endsWith"
	FuncContains     Func = "contains"
	FuncMatches      Func = "matches"
	FuncMatchesFull  Func = "matchesFull"
	FuncReplace      Func = "replace"
	FuncReplaceMatch Func = "replaceMatches"
	FuncIndexOf      Func = "indexOf"
	FuncLength       Func = "length"
	FuncSplit        Func = "split"
	FuncToString     Func = "toString"
	FuncToInteger    Func = "toInteger"
	FuncToDecimal    Func = "toDecimal"
	FuncToBoolean    Func = "toBoolean"
	FuncToDate       Func = "toDate"
	FuncToDateTime   Func = "toDateTime"
	FuncToTime       Func = "toTime"
	FuncAbs          Func = "abs"
	FuncCeiling      Func = "ceiling"
	FuncFloor        Func = "floor"
	FuncTruncate     Func = "truncate"
	FuncRound        Func = "round"
	FuncLowBoundary  Func = "lowBoundary"
	FuncHighBoundary Func = "highBoundary"
	FuncHasValue     Func = "hasValue"
	FuncToQuantity   Func = "toQuantity"
	FuncIsInteger    Func = "convertsToInteger"
	FuncIsDecimal    Func = "convertsToDecimal"
	FuncIsBoolean    Func = "convertsToBoolean"
	FuncIsString     Func = "convertsToString"
	FuncIsDate       Func = "convertsToDate"
	FuncIsDateTime   Func = "convertsToDateTime"
	FuncIsTime       Func = "convertsToTime"
	FuncIsQuantity   Func = "convertsToQuantity"
	FuncEncode       Func = "encode"
	FuncDecode       Func = "decode"
	FuncEscape       Func = "escape"
	FuncUnescape     Func = "unescape"
	FuncToChars      Func = "toChars"
	FuncPower        Func = "power"
	FuncSqrt         Func = "sqrt"
	FuncExp          Func = "exp"
	FuncLn           Func = "ln"
	FuncLog          Func = "log"
	FuncType         Func = "type"
	FuncTypeName     Func = "type().name"
	FuncNamespace    Func = "type().namespace"
	FuncChildren     Func = "children"
	FuncDescendants  Func = "descendants"
)

// signature describes the call of a function. Input and Args name accepted types, see accepts;
// Result is a system type, "in" for the input's type, or "one" for one item of it.
type signature struct {
	Input  string
	Args   []string
	Needed int // number of required arguments
	Result string
}

var signatures = map[Func]signature{
	FuncEmpty:        {"any", nil, 0, "Boolean"},
	FuncNot:          {"boolean", nil, 0, "Boolean"},
	FuncCount:        {"any", nil, 0, "Integer"},
	FuncFirst:        {"any", nil, 0, "one"},
	FuncLast:         {"any", nil, 0, "one"},
	FuncTail:         {"any", nil, 0, "in"},
	FuncSkip:         {"any", []string{"integer"}, 1, "in"},
	FuncTake:         {"any", []string{"integer"}, 1, "in"},
	FuncSingle:       {"any", nil, 0, "one"},
	FuncDistinct:     {"any", nil, 0, "in"},
	FuncIsDistinct:   {"any", nil, 0, "Boolean"},
	FuncAllTrue:      {"boolean", nil, 0, "Boolean"},
	FuncAnyTrue:      {"boolean", nil, 0, "Boolean"},
	FuncAllFalse:     {"boolean", nil, 0, "Boolean"},
	FuncAnyFalse:     {"boolean", nil, 0, "Boolean"},
	FuncCombine:      {"any", []string{"any"}, 1, "union"},
	FuncIntersect:    {"any", []string{"any"}, 1, "in"},
	FuncExclude:      {"any", []string{"any"}, 1, "in"},
	FuncSubsetOf:     {"any", []string{"any"}, 1, "Boolean"},
	FuncSupersetOf:   {"any", []string{"any"}, 1, "Boolean"},
	FuncJoin:         {"string", []string{"string"}, 0, "String"},
	FuncTrim:         {"string", nil, 0, "String"},
	FuncUpper:        {"string", nil, 0, "String"},
	FuncLower:        {"string", nil, 0, "String"},
	FuncSubstring:    {"string", []string{"integer", "integer"}, 1, "String"},
	FuncStartsWith:   {"string", []string{"string"}, 1, "Boolean"},
	FuncEndsWith:     {"string", []string{"string"}, 1, "Boolean"},
	FuncContains:     {"string", []string{"string"}, 1, "Boolean"},
	FuncMatches:      {"string", []string{"regex"}, 1, "Boolean"},
	FuncMatchesFull:  {"string", []string{"regex"}, 1, "Boolean"},
	FuncReplace:      {"string", []string{"string", "string"}, 2, "String"},
	FuncReplaceMatch: {"string", []string{"regex", "string"}, 2, "String"},
	FuncIndexOf:      {"string", []string{"string"}, 1, "Integer"},
	FuncLength:       {"string", nil, 0, "Integer"},
	FuncSplit:        {"string", []string{"string"}, 1, "Strings"},
	FuncToString:     {"primitive", nil, 0, "String"},
	FuncToInteger:    {"primitive", nil, 0, "Integer"},
	FuncToDecimal:    {"primitive", nil, 0, "Decimal"},
	FuncToBoolean:    {"primitive", nil, 0, "Boolean"},
	FuncToDate:       {"primitive", nil, 0, "Date"},
	FuncToDateTime:   {"primitive", nil, 0, "DateTime"},
	FuncToTime:       {"primitive", nil, 0, "Time"},
	FuncAbs:          {"number", nil, 0, "one"},
	FuncCeiling:      {"number", nil, 0, "Integer"},
	FuncFloor:        {"number", nil, 0, "Integer"},
	FuncTruncate:     {"number", nil, 0, "Integer"},
	FuncRound:        {"number", []string{"integer"}, 0, "Decimal"},
	FuncLowBoundary:  {"bounded", nil, 0, "one"},
	FuncHighBoundary: {"bounded", nil, 0, "one"},
	FuncHasValue:     {"any", nil, 0, "Boolean"},
	FuncToQuantity:   {"any", []string{"unit"}, 0, "Quantity"},
	FuncIsInteger:    {"any", nil, 0, "Boolean"},
	FuncIsDecimal:    {"any", nil, 0, "Boolean"},
	FuncIsBoolean:    {"any", nil, 0, "Boolean"},
	FuncIsString:     {"any", nil, 0, "Boolean"},
	FuncIsDate:       {"any", nil, 0, "Boolean"},
	FuncIsDateTime:   {"any", nil, 0, "Boolean"},
	FuncIsTime:       {"any", nil, 0, "Boolean"},
	FuncIsQuantity:   {"any", []string{"unit"}, 0, "Boolean"},
	FuncEncode:       {"string", []string{"encoding"}, 1, "String"},
	FuncDecode:       {"string", []string{"encoding"}, 1, "String"},
	FuncEscape:       {"string", []string{"escaping"}, 1, "String"},
	FuncUnescape:     {"string", []string{"escaping"}, 1, "String"},
	FuncToChars:      {"string", nil, 0, "Strings"},
	FuncPower:        {"number", []string{"number"}, 1, "Decimal"},
	FuncSqrt:         {"number", nil, 0, "Decimal"},
	FuncExp:          {"number", nil, 0, "Decimal"},
	FuncLn:           {"number", nil, 0, "Decimal"},
	FuncLog:          {"number", []string{"number"}, 1, "Decimal"},
	FuncType:         {"any", nil, 0, "type"},
}

// known lists the valid values of literal arguments, by the words of signature.
var known = map[string][]string{
	"encoding": {"base64", "hex", "urlbase64"},
	"escaping": {"html", "json"},
	"unit":     nil, // any text
}

// accepts maps the words of signature to the accepted system types.
var accepts = map[string][]schema.System{
	"boolean":  {schema.Boolean},
	"integer":  {schema.Integer},
	"number":   {schema.Integer, schema.Decimal},
	"string":   {schema.String},
	"regex":    {schema.String},
	"encoding": {schema.String},
	"escaping": {schema.String},
	"unit":     {schema.String},
	"bounded":  {schema.Integer, schema.Decimal, schema.Date, schema.DateTime, schema.Time},
	"primitive": {
		schema.Boolean, schema.String, schema.Integer, schema.Decimal, schema.Date,
		schema.DateTime, schema.Time,
	},
}

// refused maps functions that views do not support to the reason.
var refused = map[string]string{
	"now":        clockless,
	"today":      clockless,
	"timeOfDay":  clockless,
	"resolve":    "a view sees one resource; join the tables on getReferenceKey()",
	"memberOf":   "a view has no terminology server; join with a table of codes",
	"subsumes":   "a view has no terminology server; join with a table of codes",
	"subsumedBy": "a view has no terminology server; join with a table of codes",
	"conformsTo": "a view has no validator",
}

const clockless = "a view depends on its data alone, so that a table does not depend on the day it was made; compare with the day in SQL"
