package certs

import (
	"slices"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapTo makes a logger for certmagic that writes to galley's. What it has to say on its way is of interest to who looks for a fault only; that a certificate was
// made, or was not, galley says itself.
func zapTo(log hclog.Logger) *zap.Logger { return zap.New(&zapCore{log: log}) }

// zapCore is zapcore.Core.
type zapCore struct {
	log    hclog.Logger
	fields []zapcore.Field
}

func levelOf(l zapcore.Level) hclog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return hclog.Warn
	case l >= zapcore.InfoLevel:
		return hclog.Debug
	}
	return hclog.Trace
}

// Enabled implements zapcore.LevelEnabler.
func (c *zapCore) Enabled(l zapcore.Level) bool { return c.log.GetLevel() <= levelOf(l) }

// With implements zapcore.Core.
func (c *zapCore) With(fields []zapcore.Field) zapcore.Core {
	return &zapCore{log: c.log, fields: append(slices.Clip(c.fields), fields...)}
}

// Check implements zapcore.Core.
func (c *zapCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core.
func (c *zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, list := range [][]zapcore.Field{c.fields, fields} {
		for _, f := range list {
			f.AddTo(values)
		}
	}
	args := make([]any, 0, 2*len(values.Fields))
	for name, value := range values.Fields {
		args = append(args, name, value)
	}
	c.log.Log(levelOf(e.Level), e.Message, args...)
	return nil
}

// Sync implements zapcore.Core.
func (*zapCore) Sync() error { return nil }
