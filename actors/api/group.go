package api

// groupRows are the consumer group APIs.
var groupRows = []Row{}
