package synthetic

import "fmt"

var genders = []string{"female", "male", "other", "unknown"}

// families and givens are JSON text: some letters are escaped, one family name
// begins with a surrogate pair. The first twelve of each have every oddity.
var families = []string{
	"Müller", "N\\u00fa\\u00f1ez", "佐藤", "\\ud842\\udfb7\\u91ce", "Иванова", "van der \\\"Berg\\\"", "محمد", "𠮷野", "O'Connor", "김", "शर्मा", "García Lorca",
	"Ćwikła", "Παπαδόπουλος", "כהן", "王",
}

var givens = []string{
	"Anna", "José", "Jean\\tLuc", "Владимир", "Kali\\\\", "فاطمة", "\\ud83d\\ude00", "美咲", "🙂 Smiley", "D'Arcy", "Ng\\u1ecdc", "Zoë", "Ελένη", "지우", "Åsa",
}

// name is that of the n-th person; it has one to three given names.
func (g *generator) name(n int, use string, more ...member) text {
	given := []text{quote(turn(n, givens...))}
	for range g.rng.IntN(3) {
		given = append(given, quote(pick(g, givens)))
	}
	return object(append([]member{word("use", use), word("family", turn(n, families...)), field("given", list(given...))}, more...)...)
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
