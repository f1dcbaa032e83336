DROP TABLE refunds, charges;
