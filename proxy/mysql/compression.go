package mysql

import (
	"errors"

	"galley/config"
	"galley/proxy/mysql/wire"
)

const anyCompression = wire.ClientCompress | wire.ClientZstd

// offeredCompression gives the flags by which mysql.compression is offered to clients.
func offeredCompression(setting string) wire.Capability {
	switch setting {
	case config.CompressionAny:
		return anyCompression
	case config.CompressionZlib:
		return wire.ClientCompress
	case config.CompressionZstd:
		return wire.ClientZstd
	}
	return 0
}

// refuseCompression ends a login that asks for a compression that is not offered, and for none that is. It cannot be ignored: mysqlnd compresses whether it was
// offered or not.
func (s *session) refuseCompression(l *wire.Login) error {
	if l.Asked&anyCompression == 0 || l.Capability&anyCompression != 0 {
		return nil
	}
	setting := s.srv.config().Compression
	if setting == "" {
		setting = config.CompressionOff
	}
	_ = s.writeError(wire.NewError(codeHandshake, "galley: the client asks for a compression that is not offered (mysql.compression is %s): connect without it", setting))
	return endSession(closeHandshake, errors.New("compression was asked for that is not offered"))
}

// compress begins the compression that was agreed on, behind the OK of the login.
func (s *session) compress(l *wire.Login) error {
	if err := s.client.Compress(wire.Chosen(l.Capability), int(l.ZstdLevel), wire.ServerSide); err != nil {
		return endSession(closeHandshake, err)
	}
	return nil
}

// nodeCompression gives the flags by which cluster.compression is asked of a node. A node that has no zstd, as MariaDB has not, is asked for zlib.
func nodeCompression(setting string, node wire.Capability) wire.Capability {
	switch {
	case setting == config.CompressionZstd && node.Has(wire.ClientZstd):
		return wire.ClientZstd
	case setting == config.CompressionZstd, setting == config.CompressionZlib:
		return wire.ClientCompress & node
	}
	return 0
}
