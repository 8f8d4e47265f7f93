// Package config is the one table of everything that can be set: command line flags, environment, file keys, Kafka's
// broker and topic configs. A setting is one row; parsing, --help, DescribeConfigs and the docs derive from it.
package config
