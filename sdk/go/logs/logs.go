// Package logs writes what this module logs, as lines of JSON with the fields of sdk/python/hanzo_kv/logs.py: nothing until the
// program calls To. No line has a key, a value, a password or a token.
package logs

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"sync"
	"time"
)

// Options of To. Trace gives the ids of the current span, "" where there is none.
type Options struct {
	Service string // OTEL_SERVICE_NAME, else SERVICE_NAME, where it is ""
	Debug   bool
	Trace   func(ctx context.Context) (traceID, spanID string)
}

// Fields of one line beside the common ones.
type Fields struct {
	TraceID string   `json:"trace_id,omitempty"`
	SpanID  string   `json:"span_id,omitempty"`
	System  string   `json:"db.system"`
	Source  string   `json:"source,omitempty"`
	Form    string   `json:"kms_form,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Latency *float64 `json:"latency_ms,omitempty"`
}

type line struct {
	Time    string `json:"ts"`
	Level   string `json:"level"`
	Message string `json:"msg"`
	Service string `json:"service"`
	Fields
}

var (
	lock    sync.Mutex
	writer  io.Writer
	options Options
)

// To writes lines to w; nil ends that.
func To(w io.Writer, o Options) {
	for _, name := range []string{"OTEL_SERVICE_NAME", "SERVICE_NAME"} {
		if o.Service == "" {
			o.Service = os.Getenv(name)
		}
	}
	if o.Service == "" {
		o.Service = "unknown"
	}
	lock.Lock()
	defer lock.Unlock()
	writer, options = w, o
}

// Since is the latency, in milliseconds, of what began then.
func Since(start time.Time) *float64 {
	ms := math.Round(float64(time.Since(start).Microseconds())) / 1000
	return &ms
}

// Write one line. Levels are debug, info, warn and error.
func Write(ctx context.Context, level, message string, fields Fields) {
	lock.Lock()
	defer lock.Unlock()
	if writer == nil || level == "debug" && !options.Debug {
		return
	}
	fields.System = "redis"
	if options.Trace != nil {
		fields.TraceID, fields.SpanID = options.Trace(ctx)
	}
	ts := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	if text, err := json.Marshal(line{ts, level, message, options.Service, fields}); err == nil {
		_, _ = writer.Write(append(text, '\n')) // a log that cannot be written is no reason to fail
	}
}
