// Real clients of other people: list, download, upload, resume, both data modes, directories.
using System;
using System.IO;
using System.Net;
using System.Text;
using Xunit;

namespace Aotftpd.Tests;

public sealed class ClientTests
{
    private const string Local = "local_enable=YES\nanonymous_enable=NO\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nallow_writeable_chroot=YES\nlocal_umask=022\n";

    private static readonly byte[] Big = Sys.Noise(5_000_000);

    /// <summary>A server with big.bin, text.txt and sub/, for Alice to read and write, and a directory for the client.</summary>
    private static Server Serve(out string here, string config = "")
    {
        Server s = Server.Start(Local + config, x =>
        {
            x.Put("big.bin", Big, owner: Users.Alice);
            x.Put("text.txt", "hello\n", owner: Users.Alice);
            x.MakeDirectory("sub", 755, Users.Alice);
            Sys.Chown(x.Root, Users.Alice);
        });
        here = s.DirectoryPath + "/client";
        Directory.CreateDirectory(here);
        File.WriteAllBytes(here + "/up.bin", Big);
        return s;
    }

    private static void Same(string path, byte[] expected)
    {
        Assert.True(File.Exists(path), path + " is missing");
        Assert.True(expected.AsSpan().SequenceEqual(File.ReadAllBytes(path)), path + " differs, " + new FileInfo(path).Length + " bytes");
    }

    private static void Good(Sys.Result r, Server s) => Assert.True(r.Exit == 0, "exit " + r.Exit + ": " + r.All + "\n" + s.Output + s.Log);

    // ---- curl

    private static Sys.Result Curl(Server s, string here, params string[] arguments) =>
        Sys.Run(Sys.Program("curl"), ["-sS", "--max-time", "60", "-u", Users.Alice + ":alice-pass", .. arguments], null, here);

    [Fact]
    public void Curl_lists()
    {
        using Server s = Serve(out string here);
        Sys.Result r = Curl(s, here, "ftp://127.0.0.1:" + s.Port + "/");
        Good(r, s);
        Assert.Contains("big.bin", r.Output);
        r = Curl(s, here, "-l", "ftp://127.0.0.1:" + s.Port + "/");
        Assert.Equal("big.bin\nsub\ntext.txt\n", r.Output.Replace("\r", ""));
        s.Stop();
    }

    [Theory]
    [InlineData("--ftp-pasv")]
    [InlineData("--disable-epsv")]
    [InlineData("-P", "-")]
    [InlineData("-P", "-", "--disable-eprt")]
    public void Curl_downloads(params string[] mode)
    {
        using Server s = Serve(out string here);
        Good(Curl(s, here, [.. mode, "-o", "got.bin", "ftp://127.0.0.1:" + s.Port + "/big.bin"]), s);
        Same(here + "/got.bin", Big);
        s.Stop();
    }

    [Theory]
    [InlineData("--ftp-pasv")]
    [InlineData("-P", "-")]
    public void Curl_uploads(params string[] mode)
    {
        using Server s = Serve(out string here);
        Good(Curl(s, here, [.. mode, "-T", "up.bin", "ftp://127.0.0.1:" + s.Port + "/sub/up.bin"]), s);
        Same(s.Root + "/sub/up.bin", Big);
        s.Stop();
    }

    [Fact]
    public void Curl_resumes_both_ways()
    {
        using Server s = Serve(out string here);
        File.WriteAllBytes(here + "/got.bin", Big[..1_000_000]);
        Good(Curl(s, here, "-C", "-", "-o", "got.bin", "ftp://127.0.0.1:" + s.Port + "/big.bin"), s);
        Same(here + "/got.bin", Big);
        s.Put("sub/part.bin", Big[..2_000_000], owner: Users.Alice);
        Good(Curl(s, here, "-C", "-", "-T", "up.bin", "ftp://127.0.0.1:" + s.Port + "/sub/part.bin"), s);
        Same(s.Root + "/sub/part.bin", Big);
        s.Stop();
    }

    [Fact]
    public void Curl_makes_renames_and_deletes()
    {
        using Server s = Serve(out string here);
        Good(Curl(s, here, "-Q", "MKD new", "-Q", "RNFR text.txt", "-Q", "RNTO new/t.txt", "ftp://127.0.0.1:" + s.Port + "/"), s);
        Same(s.Root + "/new/t.txt", "hello\n"u8.ToArray());
        Good(Curl(s, here, "-Q", "DELE new/t.txt", "-Q", "RMD new", "ftp://127.0.0.1:" + s.Port + "/"), s);
        Assert.False(Directory.Exists(s.Root + "/new"));
        s.Stop();
    }

    [Fact]
    public void Curl_is_told_a_wrong_password()
    {
        using Server s = Serve(out string here);
        Sys.Result r = Sys.Run(Sys.Program("curl"), ["-sS", "-u", Users.Alice + ":wrong", "ftp://127.0.0.1:" + s.Port + "/"], null, here);
        Assert.Equal(67, r.Exit);
        s.Stop();
    }

    // ---- lftp

    [Fact]
    public void Lftp_compresses_and_links_where_it_may()
    {
        byte[] even = new byte[3_000_000];
        using Server s = Serve(out string here, "mode_z_enable=YES\nsymlink_enable=YES\nlog_ftp_protocol=YES\ndual_log_enable=YES\n");
        File.WriteAllBytes(here + "/even.bin", even);
        s.Put("sub/even.bin", even, owner: Users.Alice);
        Sys.Result r = Lftp(s, here, "cls -1; get big.bin; get sub/even.bin -o even.got; put up.bin -o up.bin; put even.bin -o even.up; get -c big.bin -o big.bin; ln -s text.txt link");
        Good(r, s);
        Same(here + "/big.bin", Big);
        Same(here + "/even.got", even);
        Same(s.Root + "/up.bin", Big);
        Same(s.Root + "/even.up", even);
        Assert.Contains("big.bin", r.Output);
        Assert.Equal("text.txt", new FileInfo(s.Root + "/link").LinkTarget);
        Assert.True(Sys.Eventually(() => s.Log.Contains("\"MODE Z\"") && s.Log.Contains("\"/even.up\", 3000000 bytes")), s.Log);
        s.Stop();
    }

    private static Sys.Result Lftp(Server s, string here, string script) => Sys.Run(Sys.Program("lftp"), ["-c",
        "set net:timeout 60; set net:max-retries 1; set cmd:fail-exit true; set ftp:ssl-allow false; open -u " + Users.Alice + ",alice-pass -p " + s.Port + " 127.0.0.1; " + script], null, here);

    [Theory]
    [InlineData("set ftp:passive-mode true;")]
    [InlineData("set ftp:passive-mode true; set ftp:prefer-epsv true;")]
    [InlineData("set ftp:passive-mode false;")]
    [InlineData("set ftp:use-mlsd true;")]
    public void Lftp_does_daily_work(string settings)
    {
        using Server s = Serve(out string here);
        Sys.Result r = Lftp(s, here, settings + " cls -l; get big.bin -o got.bin; put up.bin -o sub/up.bin; mkdir m; mv text.txt m/t.txt; ls m; rm m/t.txt; rmdir m");
        Good(r, s);
        Assert.Contains("big.bin", r.Output);
        Same(here + "/got.bin", Big);
        Same(s.Root + "/sub/up.bin", Big);
        Assert.False(Directory.Exists(s.Root + "/m"));
        s.Stop();
    }

    [Fact]
    public void Lftp_resumes_and_mirrors()
    {
        using Server s = Serve(out string here);
        File.WriteAllBytes(here + "/got.bin", Big[..1_234_567]);
        Good(Lftp(s, here, "get -c big.bin -o got.bin; mirror . copy; mirror -R copy sub/back"), s);
        Same(here + "/got.bin", Big);
        Same(here + "/copy/big.bin", Big);
        Same(s.Root + "/sub/back/big.bin", Big);
        s.Stop();
    }

    [Fact]
    public void Lftp_fetches_in_parallel_pieces()
    {
        using Server s = Serve(out string here);
        Good(Lftp(s, here, "pget -n 4 big.bin -o got.bin"), s);
        Same(here + "/got.bin", Big);
        s.Stop();
    }

    // ---- ncftp

    [Theory]
    [InlineData("-F")]
    [InlineData("-E")]
    public void Ncftp_gets_and_puts(string mode)
    {
        using Server s = Serve(out string here);
        string[] login = ["-u", Users.Alice, "-p", "alice-pass", "-P", s.Port.ToString(), mode];
        Good(Sys.Run(Sys.Program("ncftpget"), [.. login, "127.0.0.1", here + "/", "/big.bin"], null, here), s);
        Same(here + "/big.bin", Big);
        Good(Sys.Run(Sys.Program("ncftpput"), [.. login, "127.0.0.1", "/sub", "up.bin"], null, here), s);
        Same(s.Root + "/sub/up.bin", Big);
        Sys.Result r = Sys.Run(Sys.Program("ncftpls"), [.. login, "-l", "ftp://127.0.0.1/"], null, here);
        Good(r, s);
        Assert.Contains("big.bin", r.Output);
        s.Stop();
    }

    [Fact]
    public void Ncftp_resumes_and_recurses()
    {
        using Server s = Serve(out string here);
        s.Put("sub/a/b.txt", "deep", owner: Users.Alice);
        string[] login = ["-u", Users.Alice, "-p", "alice-pass", "-P", s.Port.ToString()];
        File.WriteAllBytes(here + "/big.bin", Big[..1_000_000]);
        Good(Sys.Run(Sys.Program("ncftpget"), [.. login, "-z", "127.0.0.1", here + "/", "/big.bin"], null, here), s);
        Same(here + "/big.bin", Big);
        Good(Sys.Run(Sys.Program("ncftpget"), [.. login, "-R", "127.0.0.1", here + "/", "/sub"], null, here), s);
        Same(here + "/sub/a/b.txt", "deep"u8.ToArray());
        s.Stop();
    }

    // ---- tnftp

    [Theory]
    [InlineData("-p")]
    [InlineData("-A")]
    public void Tnftp_does_daily_work(string mode)
    {
        using Server s = Serve(out string here);
        string script = "user " + Users.Alice + " alice-pass\nbinary\nls\nget big.bin got.bin\nput up.bin sub/up.bin\nmkdir m\nrename text.txt m/t.txt\ndelete m/t.txt\nrmdir m\nmlsd\nquit\n";
        Sys.Result r = Sys.Run(Sys.Program("tnftp"), ["-n", "-v", mode, "127.0.0.1", s.Port.ToString()], script, here);
        Assert.Contains("big.bin", r.Output);
        Same(here + "/got.bin", Big);
        Same(s.Root + "/sub/up.bin", Big);
        Assert.False(Directory.Exists(s.Root + "/m"));
        Assert.False(File.Exists(s.Root + "/text.txt"));
        s.Stop();
    }

    [Fact]
    public void Tnftp_resumes()
    {
        using Server s = Serve(out string here);
        File.WriteAllBytes(here + "/big.bin", Big[..1_000_000]);
        Sys.Run(Sys.Program("tnftp"), ["-n", "127.0.0.1", s.Port.ToString()], "user " + Users.Alice + " alice-pass\nbinary\nreget big.bin\nquit\n", here);
        Same(here + "/big.bin", Big);
        s.Stop();
    }

    // ---- wget

    [Theory]
    [InlineData("--passive-ftp")]
    [InlineData("--no-passive-ftp")]
    public void Wget_downloads_and_resumes(string mode)
    {
        using Server s = Serve(out string here);
        string[] common = ["-q", "--tries=1", "--timeout=60", mode, "--user=" + Users.Alice, "--password=alice-pass"];
        Good(Sys.Run(Sys.Program("wget"), [.. common, "ftp://127.0.0.1:" + s.Port + "/big.bin"], null, here), s);
        Same(here + "/big.bin", Big);
        File.WriteAllBytes(here + "/big.bin", Big[..777_777]);
        Good(Sys.Run(Sys.Program("wget"), [.. common, "-c", "ftp://127.0.0.1:" + s.Port + "/big.bin"], null, here), s);
        Same(here + "/big.bin", Big);
        s.Stop();
    }

    [Fact]
    public void Wget_mirrors_a_tree()
    {
        using Server s = Serve(out string here);
        s.Put("sub/a/b.txt", "deep", owner: Users.Alice);
        Good(Sys.Run(Sys.Program("wget"), ["-q", "-r", "-nH", "--tries=1", "--timeout=60", "--user=" + Users.Alice, "--password=alice-pass", "ftp://127.0.0.1:" + s.Port + "/"], null, here), s);
        Same(here + "/sub/a/b.txt", "deep"u8.ToArray());
        Same(here + "/big.bin", Big);
        s.Stop();
    }

    // ---- Python

    [Fact]
    public void Python_ftplib_does_daily_work()
    {
        using Server s = Serve(out string here);
        const string script = """
            import ftplib, io, sys
            port, data = int(sys.argv[1]), open('up.bin', 'rb').read()
            for passive in (True, False):
                f = ftplib.FTP()
                f.connect('127.0.0.1', port, timeout=60)
                f.login('aott-alice', 'alice-pass')
                f.set_pasv(passive)
                assert 'big.bin' in f.nlst(), f.nlst()
                facts = dict(f.mlsd())
                assert facts['big.bin']['type'] == 'file' and int(facts['big.bin']['size']) == len(data), facts
                assert facts['sub']['type'] == 'dir'
                got = io.BytesIO()
                f.retrbinary('RETR big.bin', got.write)
                assert got.getvalue() == data
                got = io.BytesIO()
                f.retrbinary('RETR big.bin', got.write, rest=1000000)
                assert got.getvalue() == data[1000000:]
                f.storbinary('STOR sub/p.bin', io.BytesIO(data[:3000000]))
                f.storbinary('STOR sub/p.bin', io.BytesIO(data[3000000:]), rest=3000000)
                assert f.size('sub/p.bin') == len(data)
                got = io.BytesIO()
                f.retrbinary('RETR sub/p.bin', got.write)
                assert got.getvalue() == data
                f.storlines('STOR sub/l.txt', io.BytesIO(b'a\nb\n'))
                lines = []
                f.retrlines('RETR sub/l.txt', lines.append)
                assert lines == ['a', 'b'], lines
                assert f.mkd('new') == '/new'
                f.cwd('new'); assert f.pwd() == '/new'; f.cwd('..')
                f.rename('new', 'newer'); f.rmd('newer')
                f.delete('sub/p.bin')
                try:
                    f.delete('sub/p.bin'); assert False
                except ftplib.error_perm as e:
                    assert str(e).startswith('550')
                f.quit()
            print('done')
            """;
        Sys.Result r = Sys.Run(Sys.Program("python3"), ["-c", script, s.Port.ToString()], null, here);
        Good(r, s);
        Assert.Equal("done\n", r.Output);
        s.Stop();
    }

    // ---- FtpWebRequest

    private static FtpWebResponse Web(Server s, string path, string method, Action<FtpWebRequest>? arrange = null)
    {
        FtpWebRequest r = (FtpWebRequest)WebRequest.Create("ftp://127.0.0.1:" + s.Port + "/" + path);
        r.Credentials = new NetworkCredential(Users.Alice, "alice-pass");
        r.Method = method;
        r.KeepAlive = false;
        r.Timeout = r.ReadWriteTimeout = 1000 * Sys.PatienceSeconds;
        arrange?.Invoke(r);
        return (FtpWebResponse)r.GetResponse();
    }

    private static byte[] Body(FtpWebResponse r)
    {
        using MemoryStream all = new();
        using (r)
        {
            using Stream body = r.GetResponseStream();
            body.CopyTo(all);
        }
        return all.ToArray();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void FtpWebRequest_does_daily_work(bool passive)
    {
        using Server s = Serve(out _);
        Assert.Contains("big.bin", Encoding.ASCII.GetString(Body(Web(s, "", WebRequestMethods.Ftp.ListDirectory, r => r.UsePassive = passive))));
        Assert.True(Big.AsSpan().SequenceEqual(Body(Web(s, "big.bin", WebRequestMethods.Ftp.DownloadFile, r => r.UsePassive = passive))));
        Assert.Equal(Big[4_000_000..], Body(Web(s, "big.bin", WebRequestMethods.Ftp.DownloadFile, r => r.ContentOffset = 4_000_000)));
        Web(s, "sub/w.bin", WebRequestMethods.Ftp.UploadFile, r =>
        {
            r.UsePassive = passive;
            using Stream up = r.GetRequestStream();
            up.Write(Big);
        }).Dispose();
        Same(s.Root + "/sub/w.bin", Big);
        using (FtpWebResponse size = Web(s, "sub/w.bin", WebRequestMethods.Ftp.GetFileSize))
        {
            Assert.Equal(Big.Length, size.ContentLength);
        }
        Web(s, "sub/w.bin", WebRequestMethods.Ftp.Rename, r => r.RenameTo = "v.bin").Dispose();
        Web(s, "sub/v.bin", WebRequestMethods.Ftp.DeleteFile).Dispose();
        Web(s, "newdir", WebRequestMethods.Ftp.MakeDirectory).Dispose();
        Web(s, "newdir", WebRequestMethods.Ftp.RemoveDirectory).Dispose();
        s.Stop();
    }

    // ---- anonymous, with whatever client

    [Fact]
    public void Anonymous_works_with_each_client()
    {
        using Server s = Server.Start("", x => x.Put("big.bin", Big));
        string here = s.DirectoryPath + "/client";
        Directory.CreateDirectory(here);
        string url = "ftp://127.0.0.1:" + s.Port + "/big.bin";
        Good(Sys.Run(Sys.Program("curl"), ["-sS", "-o", "curl.bin", url], null, here), s);
        Good(Sys.Run(Sys.Program("wget"), ["-q", "--tries=1", "-O", "wget.bin", url], null, here), s);
        Good(Sys.Run(Sys.Program("lftp"), ["-c", "set net:max-retries 1; open -p " + s.Port + " 127.0.0.1; get big.bin -o lftp.bin"], null, here), s);
        Good(Sys.Run(Sys.Program("ncftpget"), ["-P", s.Port.ToString(), "127.0.0.1", here, "/big.bin"], null, here), s);
        Good(Sys.Run(Sys.Program("tnftp"), ["-o", "tnftp.bin", url], null, here), s);
        foreach (string name in new[] { "curl.bin", "wget.bin", "lftp.bin", "big.bin", "tnftp.bin" })
        {
            Same(here + "/" + name, Big);
        }
        s.Stop();
    }
}
