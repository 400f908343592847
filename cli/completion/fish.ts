/** The completion for fish, a file of vendor_completions.d or a text for source. */
import { handlerFolder, names, optionsOf, places, topOptions, type Values, withValue } from './words.ts';

/** fish knows two escapes within single quotes. */
const quoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

const from = (values: Values): string =>
  ({
    none: '',
    files: ' -F',
    folders: " -a '(__fish_complete_directories)'",
    handlers: ` -a '(ls ${handlerFolder} 2>/dev/null)'`,
    words: '',
  })[values.kind] +
  (values.kind === 'words' ? ` -a ${quoted(values.words.map(({ word }) => word).join(' '))}` : '');

const line = (condition: string, rest: string): string =>
  `complete -c rcm-node -n ${quoted(condition)}${rest}`;

export const fish = (): string => `# Completion of rcm-node for fish, printed by rcm-node completion fish.

# The words so far, without options and their values.
function __rcm_node_words
    set -l skip no
    set -l tokens (commandline -opc)
    set -e tokens[1]
    for token in $tokens
        if test $skip = yes
            set skip no
            continue
        end
        switch $token
            case ${withValue.join(' ')}
                set skip yes
            case '-*'
            case '*'
                echo $token
        end
    end
end

# Whether these are all of them.
function __rcm_node_at
    set -l words (__rcm_node_words)
    test "$words" = "$argv"
end

# Whether they begin with these.
function __rcm_node_in
    set -l words (__rcm_node_words)
    test (count $words) -ge (count $argv); and test "$words[1..$(count $argv)]" = "$argv"
end

complete -c rcm-node -f
${topOptions.map(({ long, what }) => line('__rcm_node_at', ` -l ${long.slice(2)} -d ${quoted(what)}`)).join('\n')}
${places()
  .flatMap(({ behind, values, isList }) => {
    const condition = [isList ? '__rcm_node_in' : '__rcm_node_at', ...behind].join(' ');
    if (values.kind === 'none') return [];
    return values.kind === 'words'
      ? values.words.map(({ word, what }) => line(condition, ` -a ${word} -d ${quoted(what)}`))
      : [line(condition, from(values))];
  })
  .join('\n')}
${names
  .flatMap((name) =>
    optionsOf(name).map(({ long, what, value }) =>
      line(
        `__rcm_node_in ${name}`,
        ` -l ${long.slice(2)} -d ${quoted(what)}${value ? ` -r${value.values.kind === 'files' ? '' : ' -f'}${from(value.values)}` : ''}`,
      ),
    ),
  )
  .join('\n')}
`;
