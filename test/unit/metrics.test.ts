import { Counter, Gauge, Histogram, renderMetrics } from '../../src/metrics.js';

test('counters, gauges and histograms are OpenMetrics text', () => {
  const counter = new Counter('tries', 'Tries, by result.', ['result']);
  counter.add({ result: 'good' });
  counter.add({ result: 'bad' }, 2);
  counter.add({ result: 'good' });
  const gauge = new Gauge('length_bytes', 'A length.').set({}, 0.5);
  const histogram = new Histogram('wait_seconds', 'A wait.', ['by'], [0.1, 1]);
  for (const seconds of [0.1, 0.5, 3]) histogram.observe({ by: 'us' }, seconds);
  expect(renderMetrics([counter, gauge, histogram])).toBe(`# TYPE tries counter
# HELP tries Tries, by result.
tries_total{result="good"} 2
tries_total{result="bad"} 2
# TYPE length_bytes gauge
# HELP length_bytes A length.
length_bytes 0.5
# TYPE wait_seconds histogram
# HELP wait_seconds A wait.
wait_seconds_bucket{by="us",le="0.1"} 1
wait_seconds_bucket{by="us",le="1"} 2
wait_seconds_bucket{by="us",le="+Inf"} 3
wait_seconds_count{by="us"} 3
wait_seconds_sum{by="us"} 3.6
# EOF
`);
});

test('a label cannot break out of its quotes', () => {
  const counter = new Counter('odd', 'Odd.', ['x']);
  counter.add({ x: 'a"b\\c\nd' });
  expect(renderMetrics([counter])).toContain('odd_total{x="a\\"b\\\\c\\nd"} 1\n# EOF');
});

test('a label that never stops taking new values fills no memory', () => {
  const counter = new Counter('open', 'Open.', ['x']);
  for (let index = 0; index < 5_000; index++) counter.add({ x: String(index) });
  const lines = renderMetrics([counter]).split('\n');
  expect(lines.length).toBeLessThan(1_010);
  expect(lines).toContain('open_total{x="other"} 4000');
});

test('two metrics of one name are a mistake', () => {
  expect(() => renderMetrics([new Gauge('same', 'A.'), new Gauge('same', 'B.')])).toThrow(TypeError);
});
