//! Services, endpoints and proxies: who reaches whom. Verdicts and layout are pure; only `mode` asks the API server.
