package servicebus

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Admin serves the part of the management API that reads queues: GET /QUEUE answers an Atom entry
// with the settings and the counts. A caller without a signed token, or with one that
// permitted refuses, gets the service's answers; nil permits everybody. Put it behind a TLS server,
// because clients of the API use nothing else.
func (s *Server) Admin(permitted func(queue string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		switch {
		case r.Method != http.MethodGet:
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		case !s.signed(r.Header.Get("Authorization")),
			permitted != nil && !permitted(name):
			w.WriteHeader(http.StatusUnauthorized)
			writeXML(w, managementError{
				Code: http.StatusUnauthorized, Detail: "Manage,EntityRead claims required for this operation.",
			})
			return
		}
		s.mu.Lock()
		q := s.queues[strings.ToLower(name)]
		var e any = feed{Title: "Publicly Listed Services"} // as the service answers for no entity
		if q != nil {
			e = entryOf(q)
		}
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/atom+xml;type=entry;charset=utf-8")
		writeXML(w, e)
	})
}

func writeXML(w http.ResponseWriter, v any) {
	_ = xml.NewEncoder(w).Encode(v) // the client may have left
}

type managementError struct {
	XMLName xml.Name `xml:"Error"`
	Code    int
	Detail  string
}

type feed struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	Title   string   `xml:"title"`
}

type entry struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom entry"`
	Title   string   `xml:"title"`
	Content content  `xml:"content"`
}

type content struct {
	Type  string           `xml:"type,attr"`
	Queue queueDescription `xml:"QueueDescription"`
}

type queueDescription struct {
	XMLName                             xml.Name `xml:"http://schemas.microsoft.com/netservices/2010/10/servicebus/connect QueueDescription"`
	LockDuration                        string
	MaxSizeInMegabytes                  int
	RequiresDuplicateDetection          bool
	RequiresSession                     bool
	DuplicateDetectionHistoryTimeWindow string
	MaxDeliveryCount                    int
	SizeInBytes                         int64
	MessageCount                        int
	Status                              string
	CreatedAt, UpdatedAt, AccessedAt    string
	CountDetails                        countDetails
}

type countDetails struct {
	ActiveMessageCount, DeadLetterMessageCount, ScheduledMessageCount int
	TransferDeadLetterMessageCount, TransferMessageCount              int
}

// entryOf describes a queue. The mutex of its server is held.
func entryOf(q *Queue) entry {
	now := q.s.clock.Now().UTC().Format(time.RFC3339)
	c := countDetails{
		ActiveMessageCount: len(q.ready) + len(q.locked), ScheduledMessageCount: len(q.waiting),
		DeadLetterMessageCount: len(q.dead.ready) + len(q.dead.locked),
	}
	return entry{Title: q.name, Content: content{Type: "application/xml", Queue: queueDescription{
		LockDuration: isoDuration(q.cfg.LockDuration), MaxSizeInMegabytes: 1024,
		RequiresDuplicateDetection:          q.cfg.DuplicateWindow > 0,
		DuplicateDetectionHistoryTimeWindow: isoDuration(q.cfg.DuplicateWindow),
		MaxDeliveryCount:                    q.cfg.MaxDeliveryCount, Status: "Active",
		MessageCount: c.ActiveMessageCount + c.ScheduledMessageCount,
		CreatedAt:    now, UpdatedAt: now, AccessedAt: now, CountDetails: c,
	}}}
}

// isoDuration writes a duration as the service does: PT5M, PT1H30M, PT30S.
func isoDuration(d time.Duration) string {
	if d <= 0 {
		return "PT10M" // the service has a value even where detection is off
	}
	out := "PT"
	for _, u := range []struct {
		of     time.Duration
		letter string
	}{{time.Hour, "H"}, {time.Minute, "M"}, {time.Second, "S"}} {
		if n := d / u.of; n > 0 {
			out += fmt.Sprintf("%d%s", n, u.letter)
			d -= n * u.of
		}
	}
	return out
}
