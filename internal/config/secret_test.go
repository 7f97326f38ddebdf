package config_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"fhirsynapse/internal/config"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const text = "hunter2"
	s := config.NewSecret(text)
	holder := struct {
		Name  string
		Key   config.Secret
		Keys  []config.Secret
		Inner map[string]config.Secret
		Ptr   *config.Secret
	}{"n", s, []config.Secret{s}, map[string]config.Secret{"a": s}, &s}

	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%t"} {
		printed = append(printed, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s),
			fmt.Sprintf(verb, holder))
	}
	printed = append(printed, fmt.Sprint(s),
		fmt.Errorf("open %v: %w", s, errors.ErrUnsupported).Error())
	for _, v := range []any{s, holder} {
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed = append(printed, string(j))
	}
	x, err := xml.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	printed = append(printed, string(x))
	var log bytes.Buffer
	for _, l := range []*slog.Logger{
		slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil)),
	} {
		l.Info("message", slog.Any("key", s), slog.Any("holder", holder), slog.Any("pointer", &s))
	}
	printed = append(printed, log.String())

	for _, p := range printed {
		for _, form := range []string{
			text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprintf("%d", []byte(text)),
		} {
			if strings.Contains(p, form) {
				t.Errorf("the secret shows in %q", p)
			}
		}
	}
	if got := s.Reveal(); got != text {
		t.Errorf("Reveal = %q", got)
	}
	if s.IsZero() || !(config.Secret{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}
