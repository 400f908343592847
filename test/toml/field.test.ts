import t from 'tap';
import { rootOf } from '../../daemon/toml/cursor.ts';
import {
  anyString,
  booleanField,
  type Field,
  integerField,
  listField,
  oneOf,
  stringField,
  tableField,
} from '../../daemon/toml/field.ts';
import { problemOf } from '../../protocol/problem/problem.ts';

const read = <T>(field: Field<T>, value: unknown): unknown => {
  try {
    return field.read(rootOf(value, '/f', ''));
  } catch (error) {
    return problemOf(error).message;
  }
};

t.test('each field reads what its schema describes', async (t) => {
  t.same([read(booleanField, true), booleanField.schema], [true, { type: 'boolean' }]);
  const number = integerField(1, 3);
  t.same([read(number, 3), number.schema], [3, { type: 'integer', minimum: 1, maximum: 3 }]);
  t.match(read(number, 4), 'must be from 1 to 3');
  const path = stringField(/^\//, 'a path is expected');
  t.same([read(path, '/x'), path.schema], ['/x', { type: 'string', pattern: '^\\/' }]);
  t.match(read(path, 'x'), 'a path is expected');
  t.equal(read(anyString, ''), '');
});

t.test('one of several names is told with all of them', async (t) => {
  const level = oneOf(['info', 'warn', 'error']);
  t.same([read(level, 'warn'), level.schema], ['warn', { enum: ['info', 'warn', 'error'] }]);
  t.match(read(level, 'Warn'), '"info", "warn" or "error" is expected');
});

t.test('lists and tables have their schemas in their own', async (t) => {
  const rows = listField(tableField({ a: anyString, b: booleanField }, ['a']));
  t.same(read(rows, [{ a: 'x' }]), [{ a: 'x', b: undefined }]);
  t.equal(read(rows, undefined), undefined);
  t.match(read(rows, [{ b: true }]), '"[0].a" is missing');
  t.match(read(rows, [{ a: 'x', c: 1 }]), 'unknown key "[0].c"');
  t.same(rows.schema, {
    type: 'array',
    items: {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'boolean' } },
      required: ['a'],
      additionalProperties: false,
    },
  });
});
