#!/usr/bin/env python3
"""Runs Kafka's own tools and Barnabas' over the same lists of command lines against the same broker and compares what they say.

    compare.py --jars DIR --tool PROGRAM --server host:port --controller host:port lists/topics.txt …

In a list, `$B` is the broker's address, `$C` the controller's, `$D` the folder with the lists, `$DATA` a log directory; `@` stands for a letter that is
another one for each side, so that both can create the same things. What differs by nature is made equal before the comparison: order of
lines (Kafka's is that of hash maps), Java's stack traces, help texts, ids that are drawn by chance.
"""
import argparse, glob, os, re, shlex, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = {
    'broker-api-versions': 'org.apache.kafka.tools.BrokerApiVersionsCommand',
    'cluster': 'org.apache.kafka.tools.ClusterTool',
    'configs': 'kafka.admin.ConfigCommand',
    'consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
    'delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
    'dump-log': 'org.apache.kafka.tools.DumpLogSegments',
    'features': 'org.apache.kafka.tools.FeatureCommand',
    'get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
    'groups': 'org.apache.kafka.tools.GroupsCommand',
    'leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
    'log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
    'metadata-quorum': 'org.apache.kafka.tools.MetadataQuorumCommand',
    'reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
    'replica-verification': 'org.apache.kafka.tools.ReplicaVerificationTool',
    'storage': 'kafka.tools.StorageTool',
    'topics': 'org.apache.kafka.tools.TopicCommand',
}
# lines of a Java stack trace, and the exception's own line that repeats the message
NOISE = re.compile(r'^\s+at |^Caused by:|^\s+\.\.\. \d+ more|^[a-z]+(\.[\w$]+)+(Exception|Error)\b|^WARNING: .*[Ss]ecurity|^joptsimple')
HELP = re.compile(r'^(usage:|options:|Option\b.*Description|This tool )')


def kafka(jars, lines):
    """Yields (code, out, err) of each line, all run in one JVM."""
    classpath = ':'.join(p for p in sorted(glob.glob(jars + '/*.jar')) if not re.search(r'-test\.jar$|/(junit|mockito|byte-buddy|kafka-test)', p))
    classes = tempfile.mkdtemp()
    subprocess.run(['javac', '-nowarn', '-cp', classpath, '-d', classes, HERE + '/Referee.java'], check=True, stderr=subprocess.DEVNULL)
    java = ['java', '-Xmx200m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.security.manager=allow', f'-Djava.security.policy=={HERE}/all.policy',
            f'-Dlog4j2.configurationFile={HERE}/log4j2-off.properties', '-cp', classes + ':' + classpath, 'Referee']
    process = subprocess.Popen(java, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in lines:
        words = shlex.split(line)
        process.stdin.write('\t'.join([CLASSES[words[0]]] + words[1:]) + '\n')
        process.stdin.flush()
        code, out, err = None, [], []
        for answer in process.stdout:
            answer = answer.rstrip('\n')
            if answer == 'end':
                break
            if answer.startswith('exit '):
                code = int(answer[5:])
            else:
                (out if answer[0] == '1' else err).append(answer[2:])
        yield code, '\n'.join(out), '\n'.join(err)
    # it would wait for ever: its own end is caught as that of the tools is
    process.kill()
    process.wait()


def ours(tool, lines):
    for line in lines:
        done = subprocess.run([tool] + shlex.split(line), capture_output=True, text=True, timeout=120)
        yield done.returncode, done.stdout, done.stderr


def settled(text, names, said=False):
    # each side sees what the other has made
    for name in names:
        text = text.replace(name.replace('@', 'K'), name).replace(name.replace('@', 'B'), name)
    text = re.sub(r'(?<![\w-])[A-Za-z0-9_-]{21}[AQgw](?![\w-])', 'ID', text)
    text = re.sub(r'(HighWatermark: +|Epoch: +|MaxFollowerLag\w*: +)\d+', r'\1N', text)
    # the end of the metadata log, and when it was fetched
    text = re.sub(r'(?m)^(\d+ +\tID\t)\d+', r'\1N', text)
    text = re.sub(r'\d+ ms ago', 'N ms ago', text)
    text = re.sub(r'\b1[6-9]\d{11}\b', 'TIME', text)
    lines = []
    for line in text.split('\n'):
        if HELP.match(line) and lines or line.startswith('usage:'):
            # of argparse's refusals only the reason counts, however it was broken
            reason = re.search(r'error:\s(.*)', re.sub(r'\s+', ' ', text))
            lines += [reason.group(1).strip().replace('-- ', '--')] if reason else []
            break
        if line.strip() and not ((lines or said) and NOISE.match(line)) and not line.startswith('WARN '):
            # an exception that nobody caught: its message; sets have no order
            line = re.sub(r'^([a-z]+(\.[\w$]+)+(Exception|Error)): ', '', line)
            if 'ption' in line or 'Valid ' in line:
                line = ' '.join(sorted(line.replace('[', ' ').replace(']', ' ').replace(',', ' ').split()))
            lines.append(line)
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--jars', required=True)
    parser.add_argument('--tool', required=True)
    parser.add_argument('--server', default='localhost:9092')
    parser.add_argument('--controller', default='localhost:9093')
    parser.add_argument('--data', default='/tmp/kraft-combined-logs')
    parser.add_argument('lists', nargs='+')
    arguments = parser.parse_args()
    lines = []
    for path in arguments.lists:
        for line in open(path):
            if line.strip() and not line.startswith('#'):
                lines.append(line.strip().replace('$B', arguments.server).replace('$C', arguments.controller).replace('$DATA', arguments.data).replace('$D', HERE + '/lists'))
    names = sorted({word for line in lines for word in re.findall(r'[\w.]+@', line)}, key=len, reverse=True)
    theirs = kafka(arguments.jars, [line.replace('@', 'K') for line in lines])
    mine = ours(arguments.tool, [line.replace('@', 'B') for line in lines])
    different = 0
    for line, (code, out, err), (code2, out2, err2) in zip(lines, theirs, mine):
        a = [sorted(set(settled(out, names))), settled(err, names, bool(out.strip()))]
        b = [sorted(set(settled(out2, names))), settled(err2, names, bool(out2.strip()))]
        # a message and its help go to stderr together: what counts there is the message
        a[1], b[1] = a[1][:1], b[1][:1]
        if code == code2 and a == b:
            continue
        different += 1
        print(f'--- {line}\n    exit {code} / {code2}')
        for stream, (left, right) in zip(('out', 'err'), zip(a, b)):
            for text in [t for t in left if t not in right]:
                print(f'  kafka {stream}: {text[:400]}')
            for text in [t for t in right if t not in left]:
                print(f'  ours  {stream}: {text[:400]}')
            if left != right and sorted(set(left)) == sorted(set(right)):
                print(f'  {stream}: {len(left)} lines / {len(right)} lines')
        sys.stdout.flush()
    print(f'{len(lines)} command lines, {different} different')
    sys.exit(1 if different else 0)


main()
