package config

import (
	"slices"
	"strings"
)

// Described is one row of a DescribeConfigs answer.
type Described struct {
	Name      string
	Value     *string // nil: no value, or a secret
	Source    Source
	ReadOnly  bool
	Sensitive bool
	Type      Type
	Doc       string
	Synonyms  []Synonym
}

// Synonym is a place that a value comes from or would come from next, strongest first.
type Synonym struct {
	Name   string
	Value  *string
	Source Source
}

// synonyms lists the broker configs with a value behind a topic config, strongest first.
func (l *layers) synonyms(topicConfig string) []Synonym { return l.values(synonymsOf(topicConfig)) }

// values lists the values of some broker configs, by source, then in the order of names.
func (l *layers) values(names []string) (out []Synonym) {
	l.each(func(m map[string]string, s Source) {
		for _, n := range names {
			if v, ok := m[n]; ok {
				out = append(out, Synonym{n, &v, s})
			}
		}
	})
	for _, n := range names {
		if r := find(brokerRows, n); r != nil && !r.none {
			out = append(out, Synonym{n, &r.def, SourceDefault})
		}
	}
	return out
}

// shown is what DescribeConfigs tells of values: as Apache Kafka's, it leaves out those that stand before the first one of
// the first name, also when that leaves none. So log.retention.hours is not seen behind retention.ms.
func shown(all []Synonym, first string) []Synonym {
	at := slices.IndexFunc(all, func(s Synonym) bool { return s.Name == first })
	if at < 0 {
		return nil
	}
	return all[at:]
}

// DescribeTopic lists all configs of a topic with these overrides on this broker, sorted by name.
func DescribeTopic(overrides map[string]string, b *Broker) []Described {
	return describeTopic(overrides, b, func(all []Synonym, names []string) []Synonym {
		if len(names) == 0 {
			return nil
		}
		return shown(all, names[0])
	})
}

// DescribeNewTopic is DescribeTopic for the answer to CreateTopics, where the sources are the true ones.
func DescribeNewTopic(overrides map[string]string, b *Broker) []Described {
	return describeTopic(overrides, b, func(all []Synonym, _ []string) []Synonym { return all })
}

func describeTopic(overrides map[string]string, b *Broker, choose func([]Synonym, []string) []Synonym) []Described {
	out := make([]Described, 0, len(topicRows))
	for i := range topicRows {
		r := &topicRows[i]
		names := synonymsOf(r.name)
		d := Described{Name: r.name, Source: SourceDefault, Type: r.typ, Doc: r.doc, Synonyms: choose(b.from.values(names), names)}
		text := b.from.topicDefault(r)
		if len(d.Synonyms) > 0 {
			d.Source = d.Synonyms[0].Source
		}
		if own, ok := overrides[r.name]; ok {
			text, d.Source = own, SourceDynamicTopic
			d.Synonyms = append([]Synonym{{r.name, &own, SourceDynamicTopic}}, d.Synonyms...)
		}
		d.Value = &text
		out = append(out, d)
	}
	return out
}

// DescribeBroker lists the configs of a broker, sorted by name.
func DescribeBroker(b *Broker) []Described {
	out := make([]Described, 0, len(brokerRows))
	for i := range brokerRows {
		r := &brokerRows[i]
		d := Described{Name: r.name, Source: SourceDefault, Type: r.typ, Doc: r.doc, ReadOnly: r.update == readOnly || isIdentity(r),
			Sensitive: r.typ == TypePassword}
		chain := []string{r.name}
		if r.means != "" {
			if d.Doc == "" {
				d.Doc = "For topics without their own " + r.means + ": " + find(topicRows, r.means).doc
			}
			if r.scale() > 1 || strings.HasSuffix(r.name, ".ms") {
				chain = synonymsOf(r.means)
			}
		}
		if d.Synonyms = shown(b.from.values(chain), r.name); len(d.Synonyms) > 0 {
			d.Source = d.Synonyms[0].Source
		}
		d.Value, _ = b.from.resolve(r.name)
		if d.Sensitive {
			d.Value = nil
		}
		out = append(out, d)
	}
	return out
}

// DescribeClusterDefault lists the dynamic configs that hold for all brokers: Kafka shows only what is set.
func DescribeClusterDefault(configs map[string]string) []Described {
	var out []Described
	for _, name := range sortedKeys(configs) {
		r := find(brokerRows, name)
		if r == nil {
			continue
		}
		v := configs[name]
		out = append(out, Described{Name: name, Value: &v, Source: SourceDynamicDefaultBroker, Type: r.typ, Doc: r.doc,
			Synonyms: []Synonym{{name, &v, SourceDynamicDefaultBroker}}})
	}
	return out
}
