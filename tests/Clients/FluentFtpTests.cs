// FluentFTP, the FTP library of the C# world, against the published server.
using System.IO;
using System.Text;
using FluentFTP;
using Xunit;

namespace Aotftpd.Tests;

public sealed class FluentFtpTests
{
    private const string Writable = "write_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\nanon_other_write_enable=YES\nanon_umask=022\n";

    private static FtpClient Client(Server s, FtpDataConnectionType type)
    {
        FtpClient c = new("127.0.0.1", "anonymous", "test@", s.Port);
        c.Config.DataConnectionType = type;
        c.Connect();
        return c;
    }

    [Theory]
    [InlineData(FtpDataConnectionType.EPSV)]
    [InlineData(FtpDataConnectionType.PASV)]
    [InlineData(FtpDataConnectionType.PORT)]
    [InlineData(FtpDataConnectionType.EPRT)]
    public void Lists_and_downloads_in_each_data_mode(FtpDataConnectionType type)
    {
        byte[] content = Sys.Noise(5_000_000);
        using Server s = Server.Start("", x => x.Put("big.bin", content));
        using FtpClient c = Client(s, type);
        Assert.Contains(c.GetListing("/"), i => i.Name == "big.bin" && i.Size == content.Length);
        Assert.True(c.DownloadBytes(out byte[] got, "/big.bin"));
        Assert.Equal(content, got);
        c.Disconnect();
        s.Stop();
    }

    [Fact]
    public void Uploads_renames_and_deletes()
    {
        using Server s = Server.Start(Writable, x => x.MakeDirectory("in", 777));
        using FtpClient c = Client(s, FtpDataConnectionType.AutoPassive);
        byte[] content = Encoding.ASCII.GetBytes("hello\n");
        Assert.Equal(FtpStatus.Success, c.UploadBytes(content, "/in/a.txt"));
        Assert.True(c.FileExists("/in/a.txt"));
        Assert.Equal(content.Length, c.GetFileSize("/in/a.txt"));
        c.Rename("/in/a.txt", "/in/b.txt");
        Assert.True(c.CreateDirectory("/in/sub"));
        Assert.True(c.DirectoryExists("/in/sub"));
        c.DeleteDirectory("/in/sub");
        c.DeleteFile("/in/b.txt");
        Assert.Empty(c.GetListing("/in"));
        c.Disconnect();
        s.Stop();
    }

    [Fact]
    public void Resumes_a_download()
    {
        byte[] content = Sys.Noise(300_000);
        using Server s = Server.Start("", x => x.Put("a.bin", content));
        using FtpClient c = Client(s, FtpDataConnectionType.AutoPassive);
        Assert.True(c.DownloadBytes(out byte[] rest, "/a.bin", 250_000));
        Assert.Equal(content[250_000..], rest);
        string part = s.DirectoryPath + "/part";
        File.WriteAllBytes(part, content[..100_000]);
        Assert.Equal(FtpStatus.Success, c.DownloadFile(part, "/a.bin", FtpLocalExists.Resume));
        Assert.Equal(content, File.ReadAllBytes(part));
        c.Disconnect();
        s.Stop();
        // What came before the restart position did not travel again.
        Assert.True(Sys.Eventually(() => s.Log.Contains("\"/a.bin\", 50000 bytes") && s.Log.Contains("\"/a.bin\", 200000 bytes")), s.Log);
    }
}
