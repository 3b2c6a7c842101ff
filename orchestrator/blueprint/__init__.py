"""The compiled saga as data: model, canonical form, expressions, values, Avro schemas."""
