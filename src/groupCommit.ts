import type { HostBatch } from './batch.ts';
import { writeBatches } from './batch.ts';
import type { Db } from './store/database.ts';
import { Together } from './store/together.ts';

/** One writer for all hosts: twenty of them then cost fifty commits a second, not a thousand. */
export type GroupCommit = Together<HostBatch, undefined>;

/** @param db transactions of its own */
export function groupCommit(db: Db): GroupCommit {
  return new Together(async (hosts) => {
    await writeBatches(db, hosts);
    return () => undefined;
  });
}
