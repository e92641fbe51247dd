package config

import _ "embed" // for the example

//go:embed galley.example.yaml
var example string

// Example is a configuration file with every setting and its default.
func Example() string { return example }
