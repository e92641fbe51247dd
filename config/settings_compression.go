package config

// compressionSettings are of the connections with clients.
func compressionSettings() []Setting {
	return []Setting{
		{
			Path: "mysql.compression", Type: "any, zlib, zstd or off", Default: CompressionAny,
			Doc:     "Compression that clients may ask for. A client that asks for another one is refused.",
			binding: text(func(c *Config) *string { return &c.MySQL.Compression }, oneOf(CompressionAny, CompressionZlib, CompressionZstd, CompressionOff)),
		},
	}
}

// nodeCompressionSettings are of the connections with nodes. The value is with the MySQL door's: it makes those connections.
func nodeCompressionSettings() []Setting {
	return []Setting{
		{
			Path: "cluster.compression", Type: "off, zlib or zstd", Default: CompressionOff,
			Doc:     "Compression of the connections to nodes, for nodes that are far away. MariaDB has no zstd: zlib is used there.",
			binding: text(func(c *Config) *string { return &c.MySQL.NodeCompression }, oneOf(CompressionOff, CompressionZlib, CompressionZstd)),
		},
	}
}
