import { defineConfig } from '@playwright/test';

// Flags that work headless, as root and in containers.
const args = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-proxy-server', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export default defineConfig({
  testDir: 'journeys',
  outputDir: 'test-results',
  timeout: 60_000,
  expect: { timeout: 20_000 },
  retries: process.env.CI ? 1 : 0, // shared machines stall for seconds; a test that needed it is reported as flaky
  workers: 1, // two cores: the demo, the browser and the runner share them
  reporter: [['list']],
  use: {
    viewport: { width: 1440, height: 900 },
    launchOptions: { executablePath: process.env.CHROME ?? '/usr/bin/chromium', args },
    ignoreHTTPSErrors: true,
    trace: 'retain-on-failure',
  },
  projects: [
    { name: 'demo', testMatch: /demo\..*\.spec\.js/ },
    { name: 'real', testMatch: /real\..*\.spec\.js/ },
  ],
});
