/** The daemon under test, as a process of its own against the CRM emulator. Switched off until both exist. */
import type { ManagerUser } from './lab/conf/setup.ts';
import type { ExpectedCall } from './scenarios/expect.ts';

/** Whether scenarios are played with the daemon beside them. */
export const daemonEnabled: boolean = process.env['E2E_DAEMON'] === '1';

/** What the daemon of one test is given. */
export interface DaemonOptions {
  /** The Asterisk it shall watch. */
  ami: ManagerUser & { host: string; port: number };
  /** Name of the test, for directories and database. */
  name: string;
}

/** A running daemon and the emulator it talks to. */
export interface DaemonUnderTest {
  /** Waits until the daemon has delivered, then compares what the emulator holds with the truth. */
  disagreements(expected: ExpectedCall[]): Promise<string[]>;
  /** SIGKILL and start again on the same database. */
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts emulator and daemon and waits until the host is synced. */
export function startDaemon(options: DaemonOptions): Promise<DaemonUnderTest> {
  return Promise.reject(new Error(`the daemon cannot be started for ${options.name} yet`));
}
