package functionshost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
)

// maxAnswer bounds the bytes that are read of an answer.
const maxAnswer = 10 << 20

// errHangs reports an answer at which the host would hang until functionTimeout.
var errHangs = errors.New("the host hangs until functionTimeout; answer a JSON object")

// judge applies the host's rules to an answer and returns an error for a failed invocation. The
// text of the error never contains the answer.
func judge(status int, contentType string, body []byte) error {
	if status < 200 || status > 299 {
		return fmt.Errorf("response status code does not indicate success: %d %s", status,
			http.StatusText(status))
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return fmt.Errorf("the answer is empty: %w", errHangs)
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" && media != "text/json" {
		return fmt.Errorf(
			"invalid HttpResponseMessage: its content type is %q, must be application/json",
			contentType)
	}
	if string(bytes.TrimSpace(body)) == "null" {
		return fmt.Errorf("the answer is null: %w", errHangs)
	}
	var result struct {
		Outputs     map[string]json.RawMessage
		Logs        []string
		ReturnValue json.RawMessage
	}
	if len(body) >= maxAnswer {
		return fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch err := json.Unmarshal(body, &result); {
	case errors.As(err, &syntax):
		return fmt.Errorf("invalid HttpResponseMessage: the answer is not JSON, at byte %d",
			syntax.Offset)
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("invalid HttpResponseMessage: the answer is a JSON %s, must be an object",
			kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf(
			"invalid HttpResponseMessage: %s of the answer is a JSON %s, must be a %s", kind.Field,
			kind.Value, kind.Type)
	case err != nil:
		return errors.New("invalid HttpResponseMessage: the answer is not JSON")
	}
	return nil
}
