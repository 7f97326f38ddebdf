package synthetic

import "fmt"

var genders = []string{"female", "male", "other", "unknown"}

// families and givens are JSON text: some letters are escaped, the last family
// name begins with a surrogate pair.
var families = []string{
	"Müller", "O'Connor", "García Lorca", "Ćwikła", "Иванова", "Παπαδόπουλος", "محمد", "כהן", "王", "佐藤", "김", "शर्मा",
	"N\\u00fa\\u00f1ez", "van der \\\"Berg\\\"", "𠮷野", "\\ud842\\udfb7\\u91ce",
}

var givens = []string{
	"Anna", "José", "Zoë", "Владимир", "Ελένη", "فاطمة", "美咲", "지우", "D'Arcy", "Åsa", "Ng\\u1ecdc", "Jean\\tLuc", "Kali\\\\", "🙂 Smiley", "\\ud83d\\ude00",
}

// name has one to three given names.
func (g *generator) name(use string, more ...member) text {
	given := []text{quote(pick(g, givens))}
	for range g.rng.IntN(3) {
		given = append(given, quote(pick(g, givens)))
	}
	return object(append([]member{word("use", use), word("family", pick(g, families)), field("given", list(given...))}, more...)...)
}

type town struct{ city, district, state, country string }

var towns = []town{
	{"Łódź", "Łódzkie", "LD", "PL"},
	{"São Paulo", "Sé", "SP", "BR"},
	{"東京", "千代田区", "13", "JP"},
	{"Boston", "Suffolk", "MA", "US"},
	{"Αθήνα", "Αττική", "I", "GR"},
}

func (g *generator) address(use, kind string, more ...member) text {
	t := pick(g, towns)
	return object(append([]member{
		word("use", use), word("type", kind),
		field("line", list(quote(fmt.Sprintf("%d High St.", g.between(1, 200))), quote("c\\/o "+pick(g, families)))),
		word("city", t.city), word("district", t.district), word("state", t.state),
		word("postalCode", fmt.Sprintf("%05d", g.rng.IntN(1e5))), word("country", t.country),
	}, more...)...)
}

func (g *generator) telecom() text {
	return list(contactPoint("phone", fmt.Sprintf("+49 30 %07d", g.rng.IntN(1e7)), "work", 1),
		contactPoint("email", fmt.Sprintf("mail%d@example.org", g.rng.IntN(1e6)), "work", 2))
}
