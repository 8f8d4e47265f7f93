package batch

import (
	"fmt"
	"strings"

	"chronik/protocol/kerror"
)

// Error says why a batch is refused: the code for the client, the text for people, and the records that are at fault
// where it is theirs (record_errors, Produce v8+).
type Error struct {
	Code    kerror.Code
	Text    string
	Records []RecordError
}

// RecordError is one record that is at fault. Index counts from 0 within the batch.
type RecordError struct {
	Index int32
	Text  string
}

// maxRecordErrors bounds how many records of a batch are named.
const maxRecordErrors = 1000

// Error is code and text.
func (e *Error) Error() string { return e.Code.String() + ": " + e.Text }

// ClientText is what Apache Kafka puts into error_message of a Produce response: the text when single records were
// rejected, nothing otherwise (ok is false, the field is null).
func (e *Error) ClientText() (text string, ok bool) {
	if len(e.Records) == 0 {
		return "", false
	}
	return e.Text, true
}

func refuse(code kerror.Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// rejected makes the error of a batch with bad records, in the words that Kafka's clients show.
func rejected(records []RecordError, total int, timestamps bool) *Error {
	if timestamps {
		return &Error{kerror.InvalidTimestamp, "One or more records have been rejected due to invalid timestamp", records}
	}
	first := make([]string, 0, 3)
	for _, r := range records[:min(3, len(records))] {
		first = append(first, fmt.Sprintf("RecordError(batchIndex=%d, message='%s')", r.Index, r.Text))
	}
	text := fmt.Sprintf("One or more records have been rejected due to %d record errors in total, and only showing the "+
		"first three errors at most: [%s]", total, strings.Join(first, ", "))
	return &Error{kerror.InvalidRecord, text, records}
}
