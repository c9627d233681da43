-- For wrk: prints a run's result in lines "NAME VALUE", times in µs.
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("\nrequests %d\nseconds %.6f\nerrors %d\n", summary.requests, summary.duration / 1e6,
    errors.connect + errors.status + errors.timeout))
  io.write(string.format("p50 %d\np99 %d\np999 %d\n", latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
