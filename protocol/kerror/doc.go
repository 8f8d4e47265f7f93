// Package kerror is the one exhaustive table of Kafka error codes: number, name, default text, retriable or not.
//
// Every part of the broker that refuses something does it with a Code from here, so that no error can turn into
// success on its way to the client: the zero value is None and has to be chosen on purpose.
package kerror
