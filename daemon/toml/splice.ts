/**
 * Edits on configuration files that are not ours: every byte outside the edit stays, and an edit taken out again leaves
 * the file as it was. Each edit proves itself before it returns: the new text, parsed again, has to mean what the old
 * one meant plus exactly the intended change; otherwise it is a Failure `cannot-splice` and there is no new text.
 * A text that is not TOML to begin with is a Failure `broken-config`. One file for each kind of edit.
 */
export { appendBlock, type Block, findBlock, removeBlock, replaceBlock } from './splice-block.ts';
export { addImport, type ImportEdit, removeImport } from './splice-import.ts';
export { removeTables } from './splice-tables.ts';
