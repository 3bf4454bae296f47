// A root that its user may write to can hold files with the names that libraries look for. None of them may be opened: by the
// time a session is shut in, everything that it will ever need has been loaded. The kernel tells of each opening (inotify(7)),
// from outside, by inode: that the opener lives in a jail makes no difference.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using Xunit;

namespace Aotftpd.Tests;

public sealed class DecoyTests
{
    private static readonly string[] s_decoys =
    [
        "etc/nsswitch.conf", "etc/passwd", "etc/group", "etc/shadow", "etc/hosts", "etc/resolv.conf", "etc/host.conf", "etc/gai.conf", "etc/services", "etc/protocols",
        "etc/localtime", "etc/timezone", "etc/ld.so.preload", "etc/ld.so.cache", "etc/ld.so.conf", "etc/ssl/openssl.cnf", "etc/pki/tls/openssl.cnf", "etc/locale.alias",
        "etc/security/limits.conf", "etc/pam.d/ftp", "etc/vsftpd.conf", "etc/os-release", "etc/system-release", "etc/mtab",
        "lib/x86_64-linux-gnu/libnss_files.so.2", "lib64/libnss_files.so.2", "lib64/libnss_sss.so.2", "lib/libnss_dns.so.2", "lib64/libgcc_s.so.1", "lib/x86_64-linux-gnu/libgcc_s.so.1",
        "usr/lib/x86_64-linux-gnu/libssl.so.3", "usr/lib64/libcrypto.so.3", "usr/lib64/gconv/gconv-modules", "usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache",
        "usr/lib64/gconv/UTF-16.so", "usr/lib/locale/locale-archive", "usr/lib/locale/C.utf8/LC_CTYPE", "usr/share/zoneinfo/UTC", "usr/share/zoneinfo/Europe/Berlin",
        "usr/share/icu/icudt.dat", "usr/lib64/libicuuc.so", "aotftpd.runtimeconfig.json", "System.Native.so", "libSystem.Native.so", "libclrjit.so",
        "proc/self/maps", "proc/self/mountinfo", "proc/self/cgroup", "proc/meminfo", "sys/fs/cgroup/memory.max", "sys/devices/system/cpu/online", "dev/urandom", "dev/log", "tmp/clr-debug-pipe",
    ];

    private const string Watcher = """
        import ctypes, os, struct, sys
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.inotify_init()
        names = {}
        for path in sys.argv[1:]:
            names[libc.inotify_add_watch(fd, path.encode(), 0x1 | 0x20)] = path
        print("watching", flush=True)
        while True:
            data = os.read(fd, 65536)
            while data:
                wd, mask, cookie, length = struct.unpack_from("iIII", data)
                data = data[16 + length:]
                print(names[wd], flush=True)
        """;

    private static Process Watch(Server s, List<string> opened)
    {
        ProcessStartInfo info = new("python3") { RedirectStandardOutput = true };
        foreach (string a in new[] { "-c", Watcher }.Concat(s_decoys.Select(d => s.Root + "/" + d)))
        {
            info.ArgumentList.Add(a);
        }
        Process watcher = Process.Start(info)!;
        watcher.OutputDataReceived += (_, e) =>
        {
            lock (opened)
            {
                opened.Add(e.Data ?? "");
            }
        };
        watcher.BeginOutputReadLine();
        return watcher;
    }

    private static void ExpectBegin(List<string> opened) =>
        Assert.True(Sys.Eventually(() =>
        {
            lock (opened)
            {
                return opened.Remove("watching");
            }
        }), "the watch did not begin");

    [Theory]
    [InlineData("anonymous", "local_enable=NO\n")]
    [InlineData("alice", "anonymous_enable=NO\nlocal_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nallow_writeable_chroot=YES\n")]
    public void No_file_of_the_root_is_opened_but_what_the_client_asks_for(string who, string config)
    {
        using Server s = Server.Start(config + "use_localtime=YES\nwrite_enable=YES\ntext_userdb_names=YES\nls_recurse_enable=YES\nmdtm_write=YES\ndirmessage_enable=NO\nanon_upload_enable=YES\nanon_other_write_enable=YES\n", p =>
        {
            foreach (string decoy in s_decoys)
            {
                p.Put(decoy, "decoy\n"u8.ToArray(), owner: who == "alice" ? Users.Alice : "root");
            }
            p.MakeDirectory("in", 777);
            if (who == "alice")
            {
                Sys.Chown(p.Root, Users.Alice);
            }
        });
        List<string> opened = [];
        using Process watcher = Watch(s, opened);
        try
        {
            ExpectBegin(opened);
            using FtpConversation c = who == "alice" ? s.Login(Users.Alice, "alice-pass") : s.Login();
            foreach (string command in new[] { "LIST -laR", "NLST", "MLSD", "LIST /etc", "NLST -R /usr" })
            {
                Assert.NotEmpty(c.Lines(command));
            }
            foreach (string command in new[] { "STAT /", "MLST etc/passwd", "SIZE etc/passwd", "MDTM etc/localtime", "CWD etc", "PWD", "CDUP", "RETR nothing", "CWD nothing", "MKD in/d", "RMD in/d",
                "SITE CHMOD 600 in", "HELP", "FEAT", "SYST", "STAT", "RNFR nothing", "DELE nothing", "OPTS UTF8 ON", "TYPE A", "REST 7", "XYZZY" })
            {
                c.Do(command);
            }
            c.Store("STOR in/upload", "some text\r\n");
            c.Do("RNFR in/upload");
            c.Do("RNTO in/other");
            c.Do("DELE in/other");
            c.Do("QUIT", 221);
            lock (opened)
            {
                Assert.True(opened.Count == 0, "opened: " + string.Join(' ', opened.Distinct()));
            }
            // The watch does see what a session opens.
            using FtpConversation last = who == "alice" ? s.Login(Users.Alice, "alice-pass") : s.Login();
            Assert.Equal("decoy\n", last.FetchText("RETR etc/hosts"));
            Assert.True(Sys.Eventually(() =>
            {
                lock (opened)
                {
                    return opened.Contains(s.Root + "/etc/hosts");
                }
            }));
        }
        finally
        {
            watcher.Kill();
        }
        s.Stop();
    }
}
