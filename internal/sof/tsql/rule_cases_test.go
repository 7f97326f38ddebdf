package tsql_test

import (
	"strings"
)

// rule is a view over one document, and the rows that it returns on every engine. Cells are in the
// form of the stand-in, rows are sorted.
type rule struct {
	name, resource, doc, selects, where string
	want                                []string
}

const twoNames = `{"resourceType":"Patient","id":"p","name":[{"given":["a"]},{"use":"official","family":"F","given":["b","c"]}],"contact":[{"name":{"family":"C"}},{"telecom":[{"value":"1"},{"value":"2"}]}]}`

var long = strings.Repeat("é", 9000)

var rules = []rule{
	{
		"first() skips what is empty", "Patient", twoNames, column("name.family.first()", ""), "",
		[]string{"F"},
	},
	{
		"a path over two lists keeps the order", "Patient", twoNames,
		column("name.given.join('')", ""), "",
		[]string{"abc"},
	},
	{
		"an index counts items, not names", "Patient", twoNames, column("name.given[2]", ""), "",
		[]string{"c"},
	},
	{"last()", "Patient", twoNames, column("name.given.last()", ""), "", []string{"c"}},
	{
		"positions are numbers, not text", "Patient",
		`{"resourceType":"Patient","name":[{"given":["0","1","2","3","4","5","6","7","8","9","10","11"]}]}`, column("name.given.join(',')", ""), "",
		[]string{"0,1,2,3,4,5,6,7,8,9,10,11"},
	},
	{
		"join over nothing is nothing", "Patient", `{"resourceType":"Patient"}`,
		column("name.given.join(',')", ""), "",
		[]string{"NULL"},
	},
	{
		"join over one that is not there is nothing", "Patient", `{"resourceType":"Patient"}`,
		column("gender.join(',')", ""), "",
		[]string{"NULL"},
	},
	{
		"join over an empty text is one", "Patient",
		`{"resourceType":"Patient","name":[{"given":[""]}]}`, column("name.given.join(',')", ""),
		"",
		[]string{""},
	},
	{
		"join over nothing does not exist", "Patient", `{"resourceType":"Patient"}`,
		column("name.given.join(',').exists()", ""), "",
		[]string{"false"},
	},
	{
		"join over nothing is not equal to an empty text", "Patient", `{"resourceType":"Patient"}`,
		column("name.given.join(',') = ''", ""), "",
		[]string{"NULL"},
	},
	{
		"nulls are no items", "Patient",
		`{"resourceType":"Patient","name":[{"given":[null,"a",null]}]}`,
		column("name.given", `,"collection":true`), "",
		[]string{`["a"]`},
	},
	{
		"!= of what is equal", "Patient", `{"resourceType":"Patient","gender":"male"}`,
		column("gender != 'male'", ""), "",
		[]string{"false"},
	},
	{
		"!= of nothing is nothing", "Patient", `{"resourceType":"Patient"}`,
		column("gender != 'male'", ""), "",
		[]string{"NULL"},
	},
	{
		"xor", "Patient", `{"resourceType":"Patient","active":true,"deceasedBoolean":true}`,
		column("active xor deceased.ofType(boolean)", ""), "",
		[]string{"false"},
	},
	{
		"xor with unknown", "Patient", `{"resourceType":"Patient","active":true}`,
		column("active xor deceased.ofType(boolean)", ""), "",
		[]string{"NULL"},
	},
	{
		"true or unknown", "Patient", `{"resourceType":"Patient","active":true}`,
		column("active or deceased.ofType(boolean)", ""), "",
		[]string{"true"},
	},
	{
		"false and unknown", "Patient", `{"resourceType":"Patient","active":false}`,
		column("deceased.ofType(boolean) and active", ""), "",
		[]string{"false"},
	},
	{
		"where keeps true alone", "Patient", `{"resourceType":"Patient"}`,
		column("id.exists()", ""),
		`{"path":"(gender = 'male').not()"}`, nil,
	},
	{
		"forEachOrNull over several steps: one row of nulls", "Patient",
		`{"resourceType":"Patient","contact":[{"gender":"male"},{}]}`,
		`{"forEachOrNull":"contact.telecom",` + column("value", "")[1:], "",
		[]string{"NULL"},
	},
	{
		"forEachOrNull over several steps: the rows there are", "Patient", twoNames,
		`{"forEachOrNull":"contact.telecom",` + column("value", "")[1:], "",
		[]string{"1", "2"},
	},
	{
		"%rowIndex counts over several steps", "Patient", twoNames,
		`{"forEach":"name.given",` + column("%rowIndex", "")[1:], "",
		[]string{"0", "1", "2"},
	},
	{
		"%rowIndex counts what where keeps", "Patient", twoNames,
		`{"forEach":"name.where(use = 'official')",` + column("%rowIndex", "")[1:], "",
		[]string{"0"},
	},
	{
		"%rowIndex is 0 in the row of nulls, at any depth", "Patient", `{"resourceType":"Patient"}`,
		`{"forEachOrNull":"contact","column":[{"name":"i","path":"%rowIndex"}],"select":[{"forEachOrNull":"telecom","column":[{"name":"j","path":"%rowIndex"}],"select":[{"forEachOrNull":"extension","column":[{"name":"k","path":"%rowIndex"},{"name":"u","path":"url"}]}]}]}`, "",
		[]string{"0|0|0|NULL"},
	},
	{
		"%rowIndex is 0 in the row of nulls of a list of lists", "Patient", twoNames,
		`{"forEachOrNull":"contact","column":[{"name":"i","path":"%rowIndex"}],"select":[{"forEachOrNull":"telecom","column":[{"name":"j","path":"%rowIndex"},{"name":"u","path":"value"}]}]}`, "",
		[]string{"0|0|NULL", "1|0|1", "1|1|2"},
	},
	{
		"%rowIndex is 0 in a branch behind one that iterates", "Patient",
		`{"resourceType":"Patient"}`,
		`{"forEachOrNull":"contact","unionAll":[{"forEach":"telecom","column":[{"name":"i","path":"%rowIndex"}]},{"column":[{"name":"i","path":"%rowIndex"}]}]}`, "",
		[]string{"0"},
	},
	{
		"%rowIndex of branches that have rows", "Patient", twoNames,
		`{"forEachOrNull":"contact","unionAll":[{"forEach":"telecom","column":[{"name":"i","path":"%rowIndex"}]},{"column":[{"name":"i","path":"%rowIndex"}]}]}`, "",
		[]string{"0", "0", "1", "1"},
	},
	{
		"a NULL beside %rowIndex of another branch stays NULL", "Patient", twoNames,
		`{"forEachOrNull":"name","unionAll":[{"column":[{"name":"i","path":"%rowIndex"}]},{"column":[{"name":"i","path":"iif(use = 'official', 7, {})"}]}]}`, "",
		[]string{"0", "1", "7", "NULL"},
	},
	{
		"%rowIndex in a list of the row of nulls", "Patient", `{"resourceType":"Patient"}`,
		`{"forEachOrNull":"contact","column":[{"name":"i","path":"%rowIndex","collection":true}]}`,
		"",
		[]string{"[0]"},
	},
	{
		"case counts", "Patient", `{"resourceType":"Patient","gender":"Male"}`,
		column("gender = 'male'", ""), "",
		[]string{"false"},
	},
	{
		"a blank at the end counts", "Patient", `{"resourceType":"Patient","gender":"male "}`,
		column("gender = 'male'", ""), "",
		[]string{"false"},
	},
	{
		"a blank at the end of the literal counts", "Patient",
		`{"resourceType":"Patient","gender":"male"}`, column("gender = 'male '", ""), "",
		[]string{"false"},
	},
	{
		"the order of texts is that of characters", "Patient",
		`{"resourceType":"Patient","gender":"a"}`, column("gender > 'B'", ""), "",
		[]string{"true"},
	},
	{
		"a tab is below a blank", "Patient", `{"resourceType":"Patient","gender":"a\t"}`,
		column("gender > 'a'", ""), "",
		[]string{"true"},
	},
	{
		"an apostrophe in a literal", "Patient",
		`{"resourceType":"Patient","name":[{"family":"O'Neil"}]}`,
		column(`name.where(family = 'O\'Neil').exists()`, ""), "",
		[]string{"true"},
	},
	{
		"text of any length", "Patient", `{"resourceType":"Patient","gender":"` + long + `"}`,
		column("gender", ""), "",
		[]string{long},
	},
	{
		"text of any length in a list", "Patient",
		`{"resourceType":"Patient","name":[{"given":["` + long + `","` + long + `"]}]}`,
		column("name.given.join('')", ""), "",
		[]string{long + long},
	},
	{
		"escapes are decoded, and written again in lists", "Patient",
		`{"resourceType":"Patient","name":[{"given":["a\"\\\n\u00e9/"]}]}`,
		column("name.given", `,"collection":true`), "",
		[]string{`["a\"\\\né/"]`},
	},
	{
		"a partial date is kept as text", "Patient",
		`{"resourceType":"Patient","birthDate":"1970-06"}`, column("birthDate", `,"type":"date"`),
		"",
		[]string{"1970-06"},
	},
	{
		"a partial date is no day", "Patient", `{"resourceType":"Patient","birthDate":"1970"}`,
		column("birthDate", `,"type":"date","tag":[{"name":"ansi/type","value":"DATE"}]`), "",
		[]string{"NULL"},
	},
	{
		"a whole date is a day", "Patient", `{"resourceType":"Patient","birthDate":"1970-06-01"}`,
		column("birthDate", `,"type":"date","tag":[{"name":"ansi/type","value":"DATE"}]`), "",
		[]string{"1970-06-01"},
	},
	{
		"no 31st of February", "Patient", `{"resourceType":"Patient","birthDate":"1970-02-31"}`,
		column("birthDate", `,"type":"date","tag":[{"name":"ansi/type","value":"DATE"}]`), "",
		[]string{"NULL"},
	},
	{
		"an instant in UTC, cut to milliseconds", "Observation",
		`{"resourceType":"Observation","issued":"2020-01-01T00:30:00.12345678+01:00"}`,
		column("issued", `,"type":"instant","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]`), "",
		[]string{"2019-12-31T23:30:00.123"},
	},
	{
		"second 60 is the next minute", "Observation",
		`{"resourceType":"Observation","issued":"2016-12-31T23:59:60.25Z"}`,
		column("issued", `,"type":"instant","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]`), "",
		[]string{"2017-01-01T00:00:00.250"},
	},
	{
		"there is no second 61", "Observation",
		`{"resourceType":"Observation","issued":"2016-12-31T23:59:61Z"}`,
		column("issued", `,"type":"instant","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]`), "",
		[]string{"NULL"},
	},
	{
		"second 60 is behind second 59", "Observation",
		`{"resourceType":"Observation","effectiveDateTime":"2016-12-31T23:59:60Z"}`,
		column("effective.ofType(dateTime) > @2016-12-31T23:59:59.9Z and effective.ofType(dateTime) < @2017-01-01T00:00:00Z", ""), "",
		[]string{"true"},
	},
	{
		"a date is no instant", "Observation",
		`{"resourceType":"Observation","effectiveDateTime":"2020-01-01"}`,
		column("effective.ofType(dateTime)",
			`,"type":"dateTime","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]`), "",
		[]string{"NULL"},
	},
	{
		"the end of time is no fault", "Observation",
		`{"resourceType":"Observation","effectiveDateTime":"9999-12-31T23:59:59-05:00"}`,
		column("effective.ofType(dateTime) > @2020", ""), "",
		[]string{"true"},
	},
	{
		"dates of unlike precision: known", "Patient",
		`{"resourceType":"Patient","birthDate":"1970-06"}`, column("birthDate < @1971", ""), "",
		[]string{"true"},
	},
	{
		"dates of unlike precision: unknown", "Patient",
		`{"resourceType":"Patient","birthDate":"1970-06"}`, column("birthDate = @1970", ""), "",
		[]string{"NULL"},
	},
	{
		"one moment in two zones", "Observation",
		`{"resourceType":"Observation","effectiveDateTime":"2020-01-01T01:00:00+01:00"}`,
		column("effective.ofType(dateTime) = @2020-01-01T00:00:00.0Z", ""), "",
		[]string{"true"},
	},
	{
		"a time with an offset against one without", "Observation",
		`{"resourceType":"Observation","effectiveDateTime":"2020-01-01T01:00:00+01:00"}`,
		column("effective.ofType(dateTime) > @2019-01-01T00:00:00", ""), "",
		[]string{"NULL"},
	},
	{
		"times of day", "Observation", `{"resourceType":"Observation","valueTime":"08:00:00"}`,
		column("value.ofType(time) < @T08:00:00.5", ""), "",
		[]string{"true"},
	},
	{
		"keys of 64 characters", "Patient",
		`{"resourceType":"Patient","link":[{"other":{"reference":"/Patient/` +
			strings.Repeat("x", 64) + `/_history/2"}}]}`,
		column("link.other.first().getReferenceKey(Patient)", ""), "",
		[]string{strings.Repeat("x", 64)},
	},
	{
		"a key of another type", "Patient",
		`{"resourceType":"Patient","link":[{"other":{"reference":"XPatient/9"}}]}`,
		column("link.other.first().getReferenceKey(Patient)", ""), "",
		[]string{"NULL"},
	},
	{
		"a key that is none", "Patient",
		`{"resourceType":"Patient","managingOrganization":{"reference":"Patient/"}}`,
		column("managingOrganization.getReferenceKey()", ""), "",
		[]string{"NULL"},
	},
	{
		"urn: points to no row", "Patient",
		`{"resourceType":"Patient","managingOrganization":{"reference":"urn:uuid:1/Organization/2"}}`, column("managingOrganization.getReferenceKey(Organization)", ""), "",
		[]string{"NULL"},
	},
	{
		"conditional references point to no row", "Patient",
		`{"resourceType":"Patient","managingOrganization":{"reference":"Organization?identifier=http://x/y"}}`, column("managingOrganization.getReferenceKey()", ""), "",
		[]string{"NULL"},
	},
	{
		"an object where there should be a list", "Patient",
		`{"resourceType":"Patient","name":{"family":"F","use":"usual"}}`,
		column("name.family", `,"collection":true`), "",
		[]string{`["F"]`},
	},
	{
		"a list where there should be an object", "Patient",
		`{"resourceType":"Patient","maritalStatus":[{"text":"x"}]}`,
		column("maritalStatus.text", ""), "",
		[]string{"NULL"},
	},
	{
		"a text where there should be a list of objects", "Patient",
		`{"resourceType":"Patient","name":["x",{"family":"F"}]}`, column("name.family.first()", ""),
		"",
		[]string{"F"},
	},
	{
		"numbers are exact", "Observation",
		`{"resourceType":"Observation","valueQuantity":{"value":0.1}}`,
		column("value.ofType(Quantity).value + 0.2 = 0.3", ""), "",
		[]string{"true"},
	},
	{
		"digits of a number are kept", "Observation",
		`{"resourceType":"Observation","valueQuantity":{"value":1.10}}`,
		column("value.ofType(Quantity).value",
			`,"type":"decimal","tag":[{"name":"ansi/type","value":"VARCHAR"}]`), "",
		[]string{"1.10"},
	},
	{
		"integers divide to decimals", "Patient",
		`{"resourceType":"Patient","multipleBirthInteger":3}`,
		column("multipleBirth.ofType(integer) / 2", ""), "",
		[]string{"1.500000000000000000"},
	},
	{
		"division by zero is nothing", "Patient",
		`{"resourceType":"Patient","multipleBirthInteger":3}`,
		column("multipleBirth.ofType(integer) / 0", ""), "",
		[]string{"NULL"},
	},
	{
		"div and mod cut towards zero", "Patient",
		`{"resourceType":"Patient","multipleBirthInteger":-7}`,
		`{"column":[{"name":"a","path":"multipleBirth.ofType(integer) div 2"},{"name":"b","path":"multipleBirth.ofType(integer) mod 2"}]}`, "",
		[]string{"-3|-1"},
	},
	{
		"boundaries know digits", "Observation",
		`{"resourceType":"Observation","valueQuantity":{"value":1.0}}`,
		column("value.ofType(Quantity).value.lowBoundary()", ""), "",
		[]string{"0.950000000000000000"},
	},
	{
		"the last day of a February", "Patient", `{"resourceType":"Patient","birthDate":"2000-02"}`,
		column("birthDate.highBoundary()", ""), "",
		[]string{"2000-02-29"},
	},
	{
		"an extension of a primitive", "Patient",
		`{"resourceType":"Patient","birthDate":"2000","_birthDate":{"extension":[{"url":"u","valueString":"x"}]}}`, column("birthDate.extension('u').value.ofType(string)", ""), "",
		[]string{"x"},
	},
	{
		"another type has no rows", "Patient",
		`{"resourceType":"Organization","id":"o","name":"x"}`,
		column("name.family", ""), "", nil,
	},
	{
		"what where drops may be faulty", "Patient", twoNames, column("name.given", ""),
		`{"path":"active"}`, nil,
	},
	{
		"repeat goes deep, parents first", "QuestionnaireResponse",
		`{"resourceType":"QuestionnaireResponse","item":[{"linkId":"1","item":[{"linkId":"1.1"}],"answer":[{"item":[{"linkId":"1.a"}]}]},{"linkId":"2"}]}`, `{"repeat":["item","answer.item"],"column":[{"name":"i","path":"%rowIndex"},{"name":"v","path":"linkId"}]}`, "",
		[]string{"0|1", "1|1.1", "2|1.a", "3|2"},
	},
}
