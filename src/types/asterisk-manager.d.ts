/** asterisk-manager 0.2.0: has no types of its own. Only what the benchmark and the proofs touch. */
declare module 'asterisk-manager' {
  import type { EventEmitter } from 'node:events';

  /** A message with lower-cased keys; repeated keys become arrays, `variable` and `chanvariable` objects. */
  export type ManagerItem = Record<string, unknown>;

  export interface AsteriskManager extends EventEmitter {
    action(action: Record<string, unknown>, callback?: (error: unknown, reply?: ManagerItem) => void): string;
    keepConnected(): void;
    isConnected(): boolean;
    disconnect(callback?: () => void): void;
  }

  const Manager: new (
    port?: number,
    host?: string,
    username?: string,
    password?: string,
    events?: boolean,
  ) => AsteriskManager;
  export default Manager;
}
