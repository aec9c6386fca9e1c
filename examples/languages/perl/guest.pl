#!/usr/bin/env perl
# A guest in Perl, written from proto/SPEC.md alone, to show how little a new language needs: level "basic", with the
# modules that come with Perl. Functions are at the end; everything before it is the wire.
#
# One process runs the calls one after the other. It reads the wire between them, so a PING is answered late while a
# function runs; `sleep` below shows how a function that waits can look out for its CANCEL.

use strict;
use warnings;
use IO::Select;
use JSON::PP ();
use Time::HiRes qw(time);

use constant { HEADER => 32, HELLO => 1, READY => 2, CALL => 3, ITEM => 4, END => 5, FAULT => 6, CANCEL => 7,
    CREDIT => 8, EVENT => 9, PING => 10, PONG => 11, DRAIN => 12, BYE => 13 };
use constant { CHECKSUM => 1, SEGMENT => 2, STREAM => 4, UNSTARTED => 8 };
use constant GUEST_IDS => 1 << 63;
use constant DEPTH_MAX => 200;    # of a value; JSON::PP is recursive

# What a host may send: the flags it may carry, and the largest body (undef: as HELLO says).
my %KIND = (HELLO, [0, 1 << 20], READY, [0, 0], CALL, [CHECKSUM | STREAM], ITEM, [CHECKSUM], END, [CHECKSUM],
    FAULT, [CHECKSUM, 1 << 20], CANCEL, [CHECKSUM | UNSTARTED, 0], CREDIT, [CHECKSUM, 0], EVENT, [0, 1 << 20],
    PING, [CHECKSUM, 64], PONG, [CHECKSUM, 64], DRAIN, [CHECKSUM, 0], BYE, [CHECKSUM, 0]);
my %HAS_JSON = map { $_ => 1 } HELLO, READY, FAULT, EVENT;

my $json = JSON::PP->new->utf8->canonical->allow_nonref->allow_bignum->max_depth(DEPTH_MAX);
my ($wire, $buffer, $limit, $calls_max, $draining) = (undef, '', 64 << 20, 4096, 0);
my (@line, %live, %cancelled, $select);
my (%functions, @manifest);

# -- Frames -------------------------------------------------------------------------------------------------------------

sub send_frame {
    my ($kind, $call, $body, %more) = @_;
    my $codec = defined $body && (length $body || $more{codec}) ? $more{codec} // 1 : 0;
    $body //= '';
    my $data = pack('V C C C C V V Q< V V', length $body, 1, $kind, $more{flags} // 0, $codec, 0, 0, $call,
        $more{amount} // 0, 0) . $body;
    while (length $data) {
        my $sent = syswrite $wire, $data;
        exit 1 unless defined $sent || $!{EINTR};
        substr($data, 0, $sent // 0) = '';
    }
}

sub fault {
    my ($call, $code, $detail, $started, %more) = @_;
    delete $live{$call};
    send_frame(FAULT, $call, $json->encode({ code => $code, detail => $detail, started => $started, %more }),
        amount => $more{amount} // 0);
}

# A protocol fault: say why, and end (SPEC.md §12).
sub broken {
    my ($reason, $what) = @_;
    send_frame(FAULT, 0, $json->encode({ code => 'INTERNAL', detail => "$reason: $what", started => 'unknown' }));
    exit 1;
}

# The CRC-32 of zlib; Compress::Raw::Zlib is not on every Perl.
my @crc = map { my $c = $_; $c = $c & 1 ? 0xEDB88320 ^ ($c >> 1) : $c >> 1 for 1 .. 8; $c } 0 .. 255;

sub crc32 {
    my $c = 0xFFFFFFFF;
    $c = $crc[($c ^ $_) & 255] ^ ($c >> 8) for unpack 'C*', $_[0];
    return $c ^ 0xFFFFFFFF;
}

# The next whole frame in the buffer, checked by its header alone before the rest is waited for.
sub next_frame {
    return if length $buffer < HEADER;
    my ($length, $version, $kind, $flags, $codec, $function, $meta, $call, $amount, $sum) =
        unpack 'V C C C C V V Q< V V', $buffer;
    broken('version', "version $version") if $version != 1;
    my $rule = $KIND{$kind} or broken('kind', "kind $kind");
    broken('segment', 'shared memory was not agreed on') if $flags & SEGMENT;
    broken('flags', "flags $flags of kind $kind") if $flags & ~($rule->[0] | CHECKSUM);
    my $bodied = $kind == CALL || $kind == ITEM || $kind == END;
    my $want = $codec >> 4;
    my $known = $bodied ? ($codec & 15) <= 4 && ($kind == CALL ? $want <= 4 : !$want) : $codec == ($HAS_JSON{$kind} ? 1 : 0);
    broken('codec', "codec $codec of kind $kind") unless $known;
    broken('meta', "$meta bytes of meta") if $meta > $length || $meta > 8192 || ($meta && $kind != CALL);
    broken('size', "$length bytes") if $length > ($rule->[1] // $limit) || ($bodied && !($codec & 15) && $length > $meta);
    return if length $buffer < HEADER + $length;
    my $rest = substr $buffer, HEADER, $length;
    substr($buffer, 0, HEADER + $length) = '';
    my $corrupt = $flags & CHECKSUM && crc32($rest) != $sum;
    broken('checksum', "kind $kind") if $corrupt && $kind != CALL;
    return { kind => $kind, flags => $flags, codec => $codec & 15, want => $want, function => $function,
        call => $call, amount => $amount, corrupt => $corrupt, meta => substr($rest, 0, $meta),
        body => substr $rest, $meta };
}

sub check_meta {
    my ($meta) = @_;
    my %seen;
    while (length $meta) {
        my ($tag, $size) = unpack 'C v', $meta;
        broken('meta', 'an entry overruns') if length $meta < 3 || length $meta < 3 + $size;
        broken('meta', "tag $tag twice") if $tag <= 5 && $seen{$tag}++;
        substr($meta, 0, 3 + $size) = '';
    }
}

# -- The conversation ---------------------------------------------------------------------------------------------------

# Read what has come, waiting up to $wait seconds (undef: for ever), and act on all of it but the calls.
sub take {
    my ($wait) = @_;
    if ($select->can_read($wait)) {
        my $count = sysread $wire, $buffer, 65536, length $buffer;
        exit(@line || %live ? 1 : 0) if !$count && !$!{EINTR};    # the host is gone
    }
    while (my $frame = next_frame()) { act($frame) }
}

sub act {
    my ($frame) = @_;
    my ($kind, $call) = @$frame{qw(kind call)};
    if ($kind == CALL) {
        broken('state', 'a CALL after DRAIN') if $draining;
        broken('call_id', sprintf 'CALL %#x is not the host\'s to give', $call) if !$call || $call >= GUEST_IDS;
        broken('duplicate_call', "call $call is live") if $live{$call};
        broken('calls', 'more calls than agreed') if keys %live >= $calls_max;
        check_meta($frame->{meta});
        $live{$call} = 1;
        return fault($call, 'DATA_LOSS', 'the checksum does not match', 'no') if $frame->{corrupt};
        push @line, $frame;
    } elsif ($kind == CANCEL) {
        broken('call_id', 'CANCEL of a call of mine') if !$call || $call >= GUEST_IDS;
        broken('revoke', 'I do not offer that') if $frame->{flags} & UNSTARTED;
        $cancelled{$call} = 1 if $live{$call};
    } elsif ($kind == CREDIT) {
        broken('call_id', 'CREDIT of a call of mine') if !$call || $call >= GUEST_IDS;
    } elsif ($kind == PING) {
        send_frame(PONG, 0, $frame->{body}, codec => 0);
    } elsif ($kind == DRAIN) {
        $draining = 1;
    } elsif ($kind == BYE || $kind == FAULT && !$call) {
        exit 0;
    } elsif ($kind == ITEM || $kind == END || $kind == FAULT) {
        broken('unknown_call', "I made no call $call") if $call >= GUEST_IDS || $kind == FAULT;
        broken('stream', 'no input of mine streams') if $live{$call};    # else it crossed an answer
    } elsif ($kind == PONG) {
        broken('pong', 'I asked nothing');
    } else {
        broken($kind == HELLO ? 'state' : 'direction', "kind $kind");
    }
}

sub shake_hands {
    my $fd = delete $ENV{DRAGOMAN_WIRE_FD} // die "start me by Dragoman: DRAGOMAN_WIRE_FD is not set\n";
    open $wire, '+<&=', $fd or die "descriptor $fd: $!\n";
    binmode $wire;
    $select = IO::Select->new($wire);
    my $frame;
    until ($frame = next_frame()) {
        exit 0 unless sysread $wire, $buffer, 65536, length $buffer;
    }
    broken('state', 'expected HELLO') if $frame->{kind} != HELLO;
    my $hello = eval { $json->decode($frame->{body}) };
    broken('json', 'HELLO is not an object') unless ref $hello eq 'HASH';
    my $versions = $hello->{versions};
    broken('json', 'HELLO without versions') unless ref $versions eq 'ARRAY' && @$versions == 2 && !grep { !/^\d+$/ } @$versions;
    if ($versions->[0] > 1) {
        send_frame(FAULT, 0, $json->encode({ code => 'FAILED_PRECONDITION', started => 'no',
            detail => "the host speaks versions $versions->[0] to $versions->[1] of the wire, this guest speaks 1" }));
        exit 1;
    }
    my $limits = $hello->{limits} // {};
    ($limit, $calls_max) = ($limits->{frame_bytes_max} // $limit, $limits->{calls_max} // $calls_max);
    send_frame(READY, 0, $json->encode({ version => 1, language => 'perl', language_version => sprintf('%vd', $^V),
        library => 'guest.pl/1.0.0', features => ['json'], functions => \@manifest }));
}

sub run {
    my ($frame) = @_;
    my $call = $frame->{call};
    return fault($call, 'CANCELLED', 'cancelled before it began', 'no') if delete $cancelled{$call};
    my $function = $manifest[$frame->{function}] or return fault($call, 'NOT_FOUND', 'no such function', 'no');
    return fault($call, 'UNIMPLEMENTED', 'this guest speaks JSON only', 'no') if $frame->{codec} > 1;
    my $input = eval { length $frame->{body} ? $json->decode($frame->{body}) : {} };
    return fault($call, 'INVALID_ARGUMENT', 'the input is no JSON object: ' . ($@ || 'it is something else'), 'no')
        unless ref $input eq 'HASH';
    my $began = time;
    my $value = eval { $functions{ $function->{name} }->($input, $call) };
    my $thrown = $@;
    my $us = int((time - $began) * 1e6);
    if (ref $thrown eq 'HASH') {
        fault($call, $thrown->{code}, $thrown->{detail}, 'yes', $thrown->{errors} ? (errors => $thrown->{errors}) : (), amount => $us);
    } elsif ($thrown) {
        fault($call, 'UNKNOWN', "$thrown", 'yes', amount => $us);
    } else {
        my $body = eval { $json->encode($value) };
        return fault($call, 'INTERNAL', "the result cannot be written: $@", 'yes') unless defined $body;
        return fault($call, 'RESOURCE_EXHAUSTED', 'the result is larger than a frame', 'yes') if length $body > $limit;
        delete $live{$call};
        send_frame(END, $call, $body, amount => $us);
    }
    delete $cancelled{$call};
}

sub serve {
    $| = 1;
    shake_hands();
    while (1) {
        take(@line ? 0 : undef) unless $draining && !@line;
        if (my $frame = shift @line) {
            run($frame);
        } elsif ($draining && !%live) {
            send_frame(BYE, 0);
            close $wire;
            exit 0;
        }
    }
}

sub register {
    my ($name, $input, $code) = @_;
    $functions{$name} = $code;
    push @manifest, { name => $name, output => {}, input => { type => 'object', properties => $input,
        required => [sort keys %$input], additionalProperties => JSON::PP::false } };
}

# -- Functions ----------------------------------------------------------------------------------------------------------

register echo => { value => {} }, sub { $_[0]{value} };
register add => { a => { type => 'integer' }, b => { type => 'integer' } }, sub { $_[0]{a} + $_[0]{b} };
register fail => { code => { type => 'string' }, detail => { type => 'string' } }, sub {
    die { code => $_[0]{code}, detail => $_[0]{detail}, errors => [{ path => '/code', message => 'as asked' }] };
};
register crash => { message => { type => 'string' } }, sub { die $_[0]{message} };
register print => { text => { type => 'string' } }, sub {
    binmode $_, ':utf8' for *STDOUT, *STDERR;
    print STDOUT "$_[0]{text}\n";
    print STDERR "$_[0]{text}\n";
    return undef;
};
register sleep => { seconds => { type => 'number' } }, sub {
    my ($input, $call) = @_;
    my $until = time + $input->{seconds};
    while ((my $left = $until - time) > 0) {
        take($left);
        die { code => 'CANCELLED', detail => 'cancelled' } if $cancelled{$call};
    }
    return 'slept';
};

serve();
